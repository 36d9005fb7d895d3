package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lodge/web/wire"
)

// Options go with any mutation. The zero value starts it and returns at once.
type Options struct {
	Plan      bool          // show what would change and stop
	Emergency bool          // run at once what policies hold
	Draft     bool          // keep the plan as a draft change and stop
	Wait      time.Duration // wait that long for the operation to end; 0 returns at once
	Reason    string        // kept in the operation and the audit journal
	Ticket    string
	Key       string // idempotency key: repeating a call with it gives the same operation
	Revision  int64  // fail with ErrStale unless the container is at this revision; 0 for any
}

// An Answer is what came of a mutation: exactly one field is set.
type Answer struct {
	Operation *wire.Operation
	Plan      *wire.Plan
	Change    *wire.Change // it waits for others
}

// mutate sends a mutation and reads whichever answer comes.
func (c *Client) mutate(ctx context.Context, r request, o Options) (Answer, error) {
	o.apply(&r)
	resp, err := c.send(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	defer drain(resp.Body)
	var a Answer
	switch {
	case strings.HasPrefix(resp.Header.Get("Location"), "/v1/changes/"):
		a.Change = &wire.Change{}
		return a, decode(resp, a.Change)
	case o.Plan:
		a.Plan = &wire.Plan{}
		return a, decode(resp, a.Plan)
	}
	a.Operation = &wire.Operation{}
	return a, decode(resp, a.Operation)
}

func (o Options) apply(r *request) {
	if r.query == nil {
		r.query = url.Values{}
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	if o.Plan {
		r.query.Set("plan", "true")
	}
	if o.Emergency {
		r.query.Set("emergency", "true")
	}
	if o.Draft {
		r.query.Set("draft", "true")
	}
	if o.Wait > 0 {
		r.query.Set("wait", o.Wait.String())
	}
	set(r.query, "reason", o.Reason)
	set(r.query, "ticket", o.Ticket)
	if o.Key != "" {
		r.header.Set("Idempotency-Key", o.Key)
	}
	if o.Revision > 0 {
		r.header.Set("If-Match", strconv.Quote(strconv.FormatInt(o.Revision, 10)))
	}
}

// Pages calls fetch for one page after the other and returns all items.
func Pages[T any](fetch func(cursor string) (wire.Page[T], error)) ([]T, error) {
	all := []T{}
	for cursor := ""; ; {
		page, err := fetch(cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		cursor = page.Next
	}
}
