package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Networks returns all networks.
func (c *Client) Networks(ctx context.Context) ([]wire.Network, error) {
	return all[wire.Network](ctx, c, "/networks", nil)
}

// CreateNetwork makes a network.
func (c *Client) CreateNetwork(ctx context.Context, args inventory.NetworkArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/networks", body: args}, o)
}

// UpdateNetwork changes a network.
func (c *Client) UpdateNetwork(ctx context.Context, args inventory.NetworkUpdateArgs, o Options) (Answer, error) {
	name := args.Name
	args.Name = "" // it stands in the path
	return c.mutate(ctx, request{method: "PATCH", path: "/networks/" + segment(name), body: args}, o)
}

// DeleteNetwork removes a network nobody is on.
func (c *Client) DeleteNetwork(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/networks/" + segment(name)}, o)
}

// Reservations returns the addresses that are kept from containers.
func (c *Client) Reservations(ctx context.Context) ([]wire.Reservation, error) {
	return all[wire.Reservation](ctx, c, "/reservations", nil)
}

// Reserve keeps addresses from containers, or changes for whom.
func (c *Client) Reserve(ctx context.Context, args inventory.ReserveArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/reservations", body: args}, o)
}

// Release lets containers have reserved addresses again.
func (c *Client) Release(ctx context.Context, args inventory.ReleaseArgs, o Options) (Answer, error) {
	q := url.Values{}
	set(q, "network", args.Network)
	set(q, "range", args.Range)
	return c.mutate(ctx, request{method: "DELETE", path: "/reservations", query: q}, o)
}
