package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

const (
	// maxEventLine bounds one line of a stream; the agent's own limit of a body is lower.
	maxEventLine = 4 << 20
	// silence is how long a stream may say nothing before it counts as broken: the agent sends a
	// comment every 15 seconds.
	silence = 45 * time.Second
	// retry is the pause before the first attempt to take a broken stream up again; it doubles.
	retry, retryMax = 250 * time.Millisecond, 5 * time.Second
)

// EventQuery chooses events.
type EventQuery struct {
	After   int64  // replay what came after this number; 0 for all that are kept, -1 for new ones only
	Project string // "" for every project
	Type    string // a type or the beginning of one: "operation."
}

// Events yields events in order, without gaps: a connection that breaks is taken up again after
// the last one that arrived. It ends with ctx, or with an error the agent gave.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[wire.Event, error] {
	v := url.Values{}
	set(v, "project", q.Project)
	set(v, "type", q.Type)
	return follow[wire.Event](ctx, c, "/events", v, q.After)
}

// RecordQuery chooses audit records.
type RecordQuery struct {
	Verb      string
	Principal string
	Name      string // of the container or other subject
	Project   string
	Target    string // name or subject
	Kind      inventory.RecordKind
	Outcome   inventory.Outcome
	Change    inventory.ChangeID
	Since     time.Time
	Until     time.Time
	Limit     int
	Cursor    string
}

// AuditRecords returns one page of the audit journal, newest first.
func (c *Client) AuditRecords(ctx context.Context, q RecordQuery) (wire.Page[wire.AuditRecord], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "verb", q.Verb)
	set(v, "principal", q.Principal)
	set(v, "name", q.Name)
	set(v, "project", q.Project)
	set(v, "kind", string(q.Kind))
	set(v, "target", q.Target)
	set(v, "outcome", string(q.Outcome))
	set(v, "change", string(q.Change))
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return call[wire.Page[wire.AuditRecord]](ctx, c,
		request{method: "GET", path: "/audit/records", query: v})
}

// AuditTail yields audit records as they are written, like Events.
func (c *Client) AuditTail(ctx context.Context, after int64) iter.Seq2[wire.AuditRecord, error] {
	return follow[wire.AuditRecord](ctx, c, "/audit/tail", url.Values{}, after)
}

// VerifyAudit has the agent check its journal.
func (c *Client) VerifyAudit(ctx context.Context) (wire.AuditReport, error) {
	return call[wire.AuditReport](ctx, c, request{method: "POST", path: "/audit/verify"})
}

// AuditKey returns the public key of the audit journal.
func (c *Client) AuditKey(ctx context.Context) (wire.AuditKey, error) {
	return call[wire.AuditKey](ctx, c, request{method: "GET", path: "/audit/key"})
}

// follow reads a stream of server-sent events (WHATWG HTML, 9.2) and resumes it.
func follow[T any](ctx context.Context, c *Client, path string, q url.Values,
	after int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		q.Set("after", strconv.FormatInt(after, 10))
		s := &stream{}
		pause := retry
		for connected := false; ; connected = true {
			resp, err := c.open(ctx, path, q, s.last)
			if err == nil {
				pause = retry
				more := read(s, resp.Body, yield)
				resp.Body.Close()
				if !more {
					return
				}
			} else if !connected || !errors.Is(err, inventory.ErrUnavailable) {
				yield(none, err)
				return
			}
			select {
			case <-ctx.Done():
				yield(none, ctx.Err())
				return
			case <-time.After(pause):
				pause = min(2*pause, retryMax)
			}
		}
	}
}

// open connects a stream; last is the id of the last event that arrived, "" for none.
func (c *Client) open(ctx context.Context, path string, q url.Values, last string) (*http.Response, error) {
	r := request{method: "GET", path: path, query: q, header: http.Header{"Accept": {"text/event-stream"}}}
	if last != "" {
		r.header.Set("Last-Event-ID", last)
	}
	return c.send(ctx, r)
}

// A stream is what is known of a stream across connections.
type stream struct{ last string }

// read yields events until the connection ends (true) or the caller has enough (false).
func read[T any](s *stream, body io.ReadCloser, yield func(T, error) bool) (more bool) {
	quiet := time.AfterFunc(silence, func() { body.Close() })
	defer quiet.Stop()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventLine)
	var id string
	var data strings.Builder
	for lines.Scan() {
		quiet.Reset(silence)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "id":
			id = value
		case field == "data":
			data.WriteString(value)
		case lines.Text() == "" && data.Len() == 0:
			s.last = id // where the stream begins: sent first, so that a resume leaves no gap
		case lines.Text() == "":
			var v T
			err := json.Unmarshal([]byte(data.String()), &v)
			data.Reset()
			if !yield(v, err) || err != nil {
				return false
			}
			s.last = id
		}
	}
	return true
}

// Reindex makes the index of the audit journal anew.
func (c *Client) Reindex(ctx context.Context, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/audit/reindex"}, o)
}

// RotateAuditKey has the audit journal signed with a new key.
func (c *Client) RotateAuditKey(ctx context.Context, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/audit/key/rotate"}, o)
}

// ExportAudit writes a bundle of the records between two times to w; zero times are no bound.
func (c *Client) ExportAudit(ctx context.Context, w io.Writer, from, to time.Time) error {
	return c.download(ctx, w, request{method: "GET", path: "/audit/export", query: period(from, to)})
}

// Evidence writes what is known about a container between two times to w, as a tar file.
func (c *Client) Evidence(ctx context.Context, w io.Writer, ref inventory.Ref, from, to time.Time) error {
	v := period(from, to)
	if ref.Project != "" {
		v.Set("project", ref.Project)
	}
	return c.download(ctx, w, request{method: "GET", path: "/evidence/" + url.PathEscape(ref.Name), query: v})
}

func period(from, to time.Time) url.Values {
	v := url.Values{}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return v
}

// ProveAudit writes a proof that the record is in the journal.
func (c *Client) ProveAudit(ctx context.Context, w io.Writer, seq int64) error {
	return c.download(ctx, w, request{method: "GET", path: "/audit/records/" + strconv.FormatInt(seq, 10) + "/proof"})
}

// AuditAnchors returns where records and checkpoints of the journal go outside the host.
func (c *Client) AuditAnchors(ctx context.Context) (wire.Page[wire.AuditAnchor], error) {
	return call[wire.Page[wire.AuditAnchor]](ctx, c, request{method: "GET", path: "/audit/anchors"})
}

// AuditCheckpoint writes the newest checkpoint, to be kept elsewhere.
func (c *Client) AuditCheckpoint(ctx context.Context, w io.Writer) error {
	return c.download(ctx, w, request{method: "GET", path: "/audit/checkpoint"})
}

func (c *Client) download(ctx context.Context, w io.Writer, r request) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}
