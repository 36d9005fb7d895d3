package client

import (
	"context"
	"io"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Images returns all images, newest first.
func (c *Client) Images(ctx context.Context) ([]wire.Image, error) {
	return Pages(func(cursor string) (wire.Page[wire.Image], error) {
		return call[wire.Page[wire.Image]](ctx, c,
			request{method: "GET", path: "/images", query: paging(0, cursor)})
	})
}

// Image returns one image with its packages and build record, by alias or digest.
func (c *Client) Image(ctx context.Context, name string) (wire.Image, error) {
	return call[wire.Image](ctx, c, request{method: "GET", path: "/images/" + segment(name)})
}

// BuildImage builds an image from a recipe.
func (c *Client) BuildImage(ctx context.Context, args inventory.BuildArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/images/build", body: args}, o)
}

// ImportImage sends an archive of a root file system. args.Upload is the agent's to fill in.
func (c *Client) ImportImage(ctx context.Context, args inventory.ImportArgs, archive io.Reader,
	o Options) (Answer, error) {
	q := url.Values{}
	set(q, "alias", args.Alias)
	set(q, "source", args.Source)
	set(q, "expires", args.Expires)
	return c.mutate(ctx, request{method: "POST", path: "/images/import", query: q, raw: archive}, o)
}

// AliasImage gives an image another alias.
func (c *Client) AliasImage(ctx context.Context, args inventory.ImageArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/images/alias", body: args}, o)
}

// DeleteImage removes an image.
func (c *Client) DeleteImage(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/images/" + segment(name)}, o)
}
