package client

import (
	"context"
	"encoding/json"
	"io"
	"strconv"

	"lodge/inventory"
	"lodge/web/wire"
)

// ReadFile streams a file out of a container. The caller closes it.
func (c *Client) ReadFile(ctx context.Context, ref inventory.Ref, path string) (wire.FileInfo,
	io.ReadCloser, error) {
	r := on(ref, "GET", "/files")
	r.query.Set("path", path)
	resp, err := c.send(ctx, r)
	if err != nil {
		return wire.FileInfo{}, nil, err
	}
	var info wire.FileInfo
	if err := json.Unmarshal([]byte(resp.Header.Get(wire.FileHeader)), &info); err != nil {
		resp.Body.Close()
		return info, nil, inventory.Errorf(inventory.ErrUnavailable,
			"the agent did not say what kind of file %s is", path)
	}
	return info, resp.Body, nil
}

// WriteFile streams content into a file of a container, which appears whole or not at all.
func (c *Client) WriteFile(ctx context.Context, ref inventory.Ref, args inventory.FileArgs,
	content io.Reader, o Options) error {
	return c.file(ctx, ref, "PUT", args, content, o)
}

// MakeFolder makes a folder in a container.
func (c *Client) MakeFolder(ctx context.Context, ref inventory.Ref, args inventory.FileArgs,
	o Options) error {
	return c.file(ctx, ref, "POST", args, nil, o)
}

// DeleteFile removes a file or an empty folder.
func (c *Client) DeleteFile(ctx context.Context, ref inventory.Ref, path string, o Options) error {
	return c.file(ctx, ref, "DELETE", inventory.FileArgs{Path: path}, nil, o)
}

// ListFiles returns what is in a folder, or the one file path names, sorted by name.
func (c *Client) ListFiles(ctx context.Context, ref inventory.Ref, path string) ([]wire.FileInfo, error) {
	r := on(ref, "GET", "/files")
	r.query.Set("path", path)
	r.query.Set("list", "true")
	page, err := call[wire.Page[wire.FileInfo]](ctx, c, r)
	return page.Items, err
}

// ConsoleLog streams what the container has written to its console. The caller closes it.
func (c *Client) ConsoleLog(ctx context.Context, ref inventory.Ref) (io.ReadCloser, error) {
	resp, err := c.send(ctx, on(ref, "GET", "/console/log"))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *Client) file(ctx context.Context, ref inventory.Ref, method string,
	args inventory.FileArgs, content io.Reader, o Options) error {
	r := on(ref, method, "/files")
	r.raw = content
	r.query.Set("path", args.Path)
	set(r.query, "mode", args.Mode)
	if args.UID != nil {
		r.query.Set("uid", strconv.Itoa(*args.UID))
	}
	if args.GID != nil {
		r.query.Set("gid", strconv.Itoa(*args.GID))
	}
	if args.Parents {
		r.query.Set("parents", "true")
	}
	set(r.query, "reason", o.Reason)
	set(r.query, "ticket", o.Ticket)
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	drain(resp.Body)
	return nil
}
