package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Lease shows how long a container may run and is kept.
func (c *Client) Lease(ctx context.Context, ref inventory.Ref) (wire.Lease, error) {
	return call[wire.Lease](ctx, c, on(ref, "GET", "/lease"))
}

// SetLease sets its ends: times, or durations from now.
func (c *Client) SetLease(ctx context.Context, ref inventory.Ref, args inventory.LeaseArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "PUT", "/lease"), args), o)
}

// ExtendLease makes its ends later: times, or durations from the ends there are.
func (c *Client) ExtendLease(ctx context.Context, ref inventory.Ref, args inventory.LeaseArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/lease/extend"), args), o)
}

// ClearLease takes the end of a clock away, or of both with "".
func (c *Client) ClearLease(ctx context.Context, ref inventory.Ref, clock inventory.Clock, o Options) (Answer, error) {
	r := on(ref, "DELETE", "/lease")
	if r.query == nil {
		r.query = url.Values{}
	}
	set(r.query, "clock", string(clock))
	return c.mutate(ctx, r, o)
}
