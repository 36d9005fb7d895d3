package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Host describes the machine the agent runs on.
func (c *Client) Host(ctx context.Context) (wire.Host, error) {
	return call[wire.Host](ctx, c, request{method: "GET", path: "/host"})
}

// Strays are what on the host does not fit the inventory.
func (c *Client) Strays(ctx context.Context) ([]inventory.Stray, error) {
	return all[inventory.Stray](ctx, c, "/host/strays", nil)
}

// Version says what answers.
func (c *Client) Version(ctx context.Context) (wire.Version, error) {
	return call[wire.Version](ctx, c, request{method: "GET", path: "/version"})
}

// Settings returns the settings table with the values in force on the host, sorted by name.
func (c *Client) Settings(ctx context.Context) ([]wire.Setting, error) {
	return all[wire.Setting](ctx, c, "/settings", nil)
}

// SetConfig changes host-wide settings.
func (c *Client) SetConfig(ctx context.Context, args inventory.ConfigArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "PATCH", path: "/settings", body: args}, o)
}

// AddressQuery chooses rows of the address plan.
type AddressQuery struct {
	Network   string
	IP        string // who had it, and who has it
	Container inventory.ContainerID
	History   bool // rows that are over too; implied by IP
}

// Addresses returns rows of the address plan.
func (c *Client) Addresses(ctx context.Context, q AddressQuery) ([]wire.Address, error) {
	v := url.Values{}
	set(v, "network", q.Network)
	set(v, "ip", q.IP)
	set(v, "container", string(q.Container))
	if q.History {
		v.Set("history", "true")
	}
	return all[wire.Address](ctx, c, "/addresses", v)
}

func all[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	page, err := call[wire.Page[T]](ctx, c, request{method: "GET", path: path, query: q})
	return page.Items, err
}
