package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Sudo returns who has sudo, the newest first; with all, who had it too.
func (c *Client) Sudo(ctx context.Context, all bool) ([]wire.SudoGrant, error) {
	r := request{method: "GET", path: "/sudo", query: url.Values{}}
	if all {
		r.query.Set("all", "true")
	}
	page, err := call[wire.Page[wire.SudoGrant]](ctx, c, r)
	return page.Items, err
}

// GiveSudo gives an account of a container sudo for a while.
func (c *Client) GiveSudo(ctx context.Context, ref inventory.Ref, args inventory.SudoArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/sudo"), args), o)
}

// EndSudo ends the sudo of a container, or with an account only its.
func (c *Client) EndSudo(ctx context.Context, ref inventory.Ref, args inventory.SudoEndArgs, o Options) (Answer, error) {
	r := on(ref, "DELETE", "/sudo")
	if r.query == nil {
		r.query = url.Values{}
	}
	set(r.query, "grant", string(args.Grant))
	set(r.query, "account", args.Account)
	return c.mutate(ctx, r, o)
}
