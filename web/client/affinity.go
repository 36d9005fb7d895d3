package client

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// Affinities returns all rules about sharing a host, with what breaks them now.
func (c *Client) Affinities(ctx context.Context) ([]wire.Affinity, error) {
	return all[wire.Affinity](ctx, c, "/affinities", nil)
}

// AddAffinity adds an application's rule, or replaces it.
func (c *Client) AddAffinity(ctx context.Context, args inventory.AffinityArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/affinities", body: args}, o)
}

// RemoveAffinity removes an application's rule.
func (c *Client) RemoveAffinity(ctx context.Context, app string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/affinities/" + segment(app)}, o)
}
