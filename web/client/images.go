package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strconv"

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
	if args.MetadataBytes > 0 {
		q.Set("metadata_bytes", strconv.FormatInt(args.MetadataBytes, 10))
	}
	return c.mutate(ctx, request{method: "POST", path: "/images/import", query: q, raw: archive}, o)
}

// ImportContainer sends an export of another manager, to make a container of it. args.Upload is the
// agent's to fill in.
func (c *Client) ImportContainer(ctx context.Context, args inventory.ImportContainerArgs, archive io.Reader,
	o Options) (Answer, error) {
	parameters, err := json.Marshal(args.CreateArgs)
	if err != nil {
		return Answer{}, err
	}
	q := url.Values{"parameters_bytes": {strconv.Itoa(len(parameters))}}
	set(q, "source", args.Source)
	return c.mutate(ctx, request{method: "POST", path: "/containers/import", query: q,
		raw: io.MultiReader(bytes.NewReader(parameters), archive)}, o)
}

// AliasImage gives an image another alias.
func (c *Client) AliasImage(ctx context.Context, args inventory.ImageArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/images/alias", body: args}, o)
}

// DeleteImage removes an image.
func (c *Client) DeleteImage(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/images/" + segment(name)}, o)
}

// PublishImage makes an image of a container.
func (c *Client) PublishImage(ctx context.Context, ref inventory.Ref, args inventory.PublishArgs,
	o Options) (Answer, error) {
	r := on(ref, "POST", "/publish")
	r.body = args
	return c.mutate(ctx, r, o)
}

// ExportImage streams an image as an archive that Incus takes too. The caller closes it.
func (c *Client) ExportImage(ctx context.Context, name string, packing inventory.Packing) (io.ReadCloser, error) {
	resp, err := c.send(ctx, request{method: "GET", path: "/images/" + segment(name) + "/export",
		query: url.Values{"compression": {string(packing)}}})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// OutdatedImages returns the containers and images that are behind; age is a duration or "".
func (c *Client) OutdatedImages(ctx context.Context, age string) ([]inventory.OutdatedImage, error) {
	q := url.Values{}
	set(q, "age", age)
	page, err := call[wire.Page[inventory.OutdatedImage]](ctx, c,
		request{method: "GET", path: "/outdated-images", query: q})
	return page.Items, err
}

// PullImage gets an image from a remote.
func (c *Client) PullImage(ctx context.Context, args inventory.PullArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/images/pull", body: args}, o)
}

// Remotes returns the servers images are pulled from, by name.
func (c *Client) Remotes(ctx context.Context) ([]wire.Remote, error) {
	page, err := call[wire.Page[wire.Remote]](ctx, c, request{method: "GET", path: "/image-remotes"})
	return page.Items, err
}

// RemoteImages asks a remote what images it has for the agent's host.
func (c *Client) RemoteImages(ctx context.Context, remote string) ([]inventory.RemoteImage, error) {
	page, err := call[wire.Page[inventory.RemoteImage]](ctx, c,
		request{method: "GET", path: "/image-remotes/" + segment(remote) + "/images"})
	return page.Items, err
}

// AddRemote names a server.
func (c *Client) AddRemote(ctx context.Context, args inventory.RemoteArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/image-remotes", body: args}, o)
}

// RemoveRemote forgets a server. Images that came from it stay.
func (c *Client) RemoveRemote(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/image-remotes/" + segment(name)}, o)
}
