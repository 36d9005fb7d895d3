package client

import (
	"context"
	"net/url"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

// OperationQuery chooses operations.
type OperationQuery struct {
	Project   string
	Container inventory.ContainerID
	State     inventory.OperationState
	Verb      string
	Limit     int
	Cursor    string
}

// Operations returns one page of operations, newest first.
func (c *Client) Operations(ctx context.Context, q OperationQuery) (wire.Page[wire.Operation], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "project", q.Project)
	set(v, "container", string(q.Container))
	set(v, "state", string(q.State))
	set(v, "verb", q.Verb)
	return call[wire.Page[wire.Operation]](ctx, c, request{method: "GET", path: "/operations", query: v})
}

// Operation returns one operation with its live progress.
func (c *Client) Operation(ctx context.Context, id inventory.OperationID) (wire.Operation, error) {
	return call[wire.Operation](ctx, c, request{method: "GET", path: "/operations/" + segment(string(id))})
}

// waitSlice is how long one request waits: short enough to survive proxies, long enough to be
// cheap.
const waitSlice = 30 * time.Second

// Wait returns the operation once it has ended. The error is about asking; see Operation.Err for
// how the operation itself ended.
func (c *Client) Wait(ctx context.Context, id inventory.OperationID) (wire.Operation, error) {
	return c.Follow(ctx, id, waitSlice, func(wire.Operation) {})
}

// Follow is Wait that shows the operation as it stands at least every interval.
func (c *Client) Follow(ctx context.Context, id inventory.OperationID, every time.Duration,
	show func(wire.Operation)) (wire.Operation, error) {
	path := "/operations/" + segment(string(id)) + "/wait"
	for {
		q := url.Values{"timeout": {every.String()}}
		op, err := call[wire.Operation](ctx, c, request{method: "GET", path: path, query: q})
		if err != nil || op.State.IsEnded() {
			return op, err
		}
		show(op)
	}
}

// Cancel asks a running operation to stop; what it did is undone.
func (c *Client) Cancel(ctx context.Context, id inventory.OperationID) (wire.Operation, error) {
	return call[wire.Operation](ctx, c, request{method: "POST",
		path: "/operations/" + segment(string(id)) + "/cancel"})
}

// ChangeQuery chooses changes.
type ChangeQuery struct {
	State  inventory.ChangeState // "" for every state
	Limit  int
	Cursor string
}

// Changes returns one page of changes, newest first.
func (c *Client) Changes(ctx context.Context, q ChangeQuery) (wire.Page[wire.Change], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "state", string(q.State))
	return call[wire.Page[wire.Change]](ctx, c, request{method: "GET", path: "/changes", query: v})
}

// Change returns one change.
func (c *Client) Change(ctx context.Context, id inventory.ChangeID) (wire.Change, error) {
	return call[wire.Change](ctx, c, request{method: "GET", path: "/changes/" + segment(string(id))})
}

// Approve agrees to a change. The answer is the operation if that released it, else the change.
func (c *Client) Approve(ctx context.Context, id inventory.ChangeID, note string,
	o Options) (Answer, error) {
	r := request{method: "POST", path: "/changes/" + segment(string(id)) + "/approve",
		body: wire.Note{Note: note}}
	return c.mutate(ctx, r, Options{Wait: o.Wait})
}

// Reject ends a change with a reason.
func (c *Client) Reject(ctx context.Context, id inventory.ChangeID, note string) (wire.Change, error) {
	return c.decide(ctx, id, "reject", note)
}

// CancelChange withdraws a change.
func (c *Client) CancelChange(ctx context.Context, id inventory.ChangeID, note string) (wire.Change,
	error) {
	return c.decide(ctx, id, "cancel", note)
}

func (c *Client) decide(ctx context.Context, id inventory.ChangeID, how, note string) (wire.Change, error) {
	r := request{method: "POST", path: "/changes/" + segment(string(id)) + "/" + how,
		body: wire.Note{Note: note}}
	return call[wire.Change](ctx, c, r)
}

// DeadlineQuery chooses deadlines.
type DeadlineQuery struct {
	Container inventory.ContainerID
	Done      bool // those that are over instead of those that wait
	Limit     int
	Cursor    string
}

// Deadlines returns one page of what is due later, soonest first.
func (c *Client) Deadlines(ctx context.Context, q DeadlineQuery) (wire.Page[wire.Deadline], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "container", string(q.Container))
	if q.Done {
		v.Set("done", "true")
	}
	return call[wire.Page[wire.Deadline]](ctx, c, request{method: "GET", path: "/deadlines", query: v})
}
