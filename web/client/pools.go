package client

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// Pools returns all pools with their room and health.
func (c *Client) Pools(ctx context.Context) ([]wire.Pool, error) {
	return all[wire.Pool](ctx, c, "/pools", nil)
}

// Pool returns one pool.
func (c *Client) Pool(ctx context.Context, name string) (wire.Pool, error) {
	return call[wire.Pool](ctx, c, request{method: "GET", path: "/pools/" + segment(name)})
}

// CreatePool makes a pool.
func (c *Client) CreatePool(ctx context.Context, args inventory.PoolArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/pools", body: args}, o)
}

// DeletePool removes a pool nothing is on.
func (c *Client) DeletePool(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/pools/" + segment(name)}, o)
}

// SetDefaultPool makes a pool the one new containers come to.
func (c *Client) SetDefaultPool(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/pools/" + segment(name) + "/default"}, o)
}

// ScrubPool compares everything in a pool with its checksums.
func (c *Client) ScrubPool(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/pools/" + segment(name) + "/scrub"}, o)
}

// Move takes a container to another pool.
func (c *Client) Move(ctx context.Context, ref inventory.Ref, args inventory.MoveArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/move"), args), o)
}

// TidyMove removes what a move has left in a pool.
func (c *Client) TidyMove(ctx context.Context, ref inventory.Ref, args inventory.MoveArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/move/tidy"), args), o)
}
