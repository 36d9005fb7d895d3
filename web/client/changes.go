package client

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// Waiting chooses the changes that have been asked for and have not begun.
const Waiting inventory.ChangeState = "waiting"

// ChangeQuery chooses changes.
type ChangeQuery struct {
	State  inventory.ChangeState // or Waiting; "" for every state
	Class  inventory.ChangeClass
	Limit  int
	Cursor string
}

// Changes returns one page of changes, newest first.
func (c *Client) Changes(ctx context.Context, q ChangeQuery) (wire.Page[wire.Change], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "state", string(q.State))
	set(v, "class", string(q.Class))
	return call[wire.Page[wire.Change]](ctx, c, request{method: "GET", path: "/changes", query: v})
}

// Change returns one change. Here and below, a change's number will do for its id.
func (c *Client) Change(ctx context.Context, id inventory.ChangeID) (wire.Change, error) {
	return call[wire.Change](ctx, c, request{method: "GET", path: "/changes/" + segment(string(id))})
}

// ApprovalMessage is what the caller signs to approve.
func (c *Client) ApprovalMessage(ctx context.Context, id inventory.ChangeID) (inventory.ApprovalRequest, error) {
	return call[inventory.ApprovalRequest](ctx, c, request{method: "GET", path: "/changes/" + segment(string(id)) + "/message"})
}

// ChangeDiff is what a change was planned as, beside what it would be now.
func (c *Client) ChangeDiff(ctx context.Context, id inventory.ChangeID) (wire.ChangeDiff, error) {
	return call[wire.ChangeDiff](ctx, c, request{method: "GET", path: "/changes/" + segment(string(id)) + "/diff"})
}

// Approve agrees to a change. The answer is the operation if that released it, else the change.
func (c *Client) Approve(ctx context.Context, id inventory.ChangeID, args inventory.ApproveArgs, o Options) (Answer, error) {
	r := request{method: "POST", path: "/changes/" + segment(string(id)) + "/approve", body: args}
	return c.mutate(ctx, r, Options{Wait: o.Wait})
}

// ReleaseChange asks for a draft, and lets a change begin that has all it waited for.
func (c *Client) ReleaseChange(ctx context.Context, id inventory.ChangeID, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/changes/" + segment(string(id)) + "/release"}, o)
}

// Decide makes a decision that releases nothing: reject, withdraw, cancel.
func (c *Client) Decide(ctx context.Context, id inventory.ChangeID, how, note string) (wire.Change, error) {
	r := request{method: "POST", path: "/changes/" + segment(string(id)) + "/" + how, body: wire.Note{Note: note}}
	return call[wire.Change](ctx, c, r)
}

// Windows are all windows and freezes, sorted by name.
func (c *Client) Windows(ctx context.Context) ([]wire.Window, error) {
	page, err := call[wire.Page[wire.Window]](ctx, c, request{method: "GET", path: "/windows"})
	return page.Items, err
}

// Window returns one.
func (c *Client) Window(ctx context.Context, name string) (wire.Window, error) {
	return call[wire.Window](ctx, c, request{method: "GET", path: "/windows/" + segment(name)})
}

// CreateWindow adds a window, or replaces the one of its name.
func (c *Client) CreateWindow(ctx context.Context, args inventory.WindowArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/windows", body: args}, o)
}

// RemoveWindow removes a window.
func (c *Client) RemoveWindow(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/windows/" + segment(name)}, o)
}
