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
