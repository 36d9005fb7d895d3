package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"lodge/inventory"
	"lodge/web/wire"
)

// maxTarget bounds a path with its query: what the agent reads of a request's head is 64 KiB.
const maxTarget = 48 << 10

// maxProblem bounds what is read of an error's body: it is one sentence.
const maxProblem = 64 << 10

// A request is one call before it is sent.
type request struct {
	method string
	path   string // below /v1, segments escaped
	query  url.Values
	header http.Header
	body   any // sent as JSON unless raw is set; nil for none
	raw    io.Reader
}

// call sends r and reads the JSON answer into a T.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	resp, err := c.send(ctx, r)
	if err != nil {
		return out, err
	}
	defer drain(resp.Body)
	return out, decode(resp, &out)
}

// send sends r. A problem comes back as the error it was; otherwise the caller closes the body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 400 {
		defer drain(resp.Body)
		return nil, problem(resp)
	}
	return resp, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	body := r.raw
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	target := c.base + "/v1" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	if len(target) > maxTarget {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the request is too long: a reason may have 1000 characters, a ticket 200, names 63")
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.breakGlass {
		req.Header.Set("Lodge-Break-Glass", "true")
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	} else if r.raw != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	return req, nil
}

func decode(resp *http.Response, into any) error {
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the agent's answer to %s can't be read: %w", resp.Request.URL.Path, err)
	}
	return nil
}

// problem reads an error back with its kind.
func problem(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var p wire.Problem
	if json.Unmarshal(raw, &p) == nil && strings.HasPrefix(p.Type, wire.ProblemType) {
		return p.Err()
	}
	// Not one of ours: something between us and the agent, or another program on that socket.
	return inventory.Errorf(inventory.ErrUnavailable, "what answers is no Lodge agent: %s to %s %s",
		resp.Status, resp.Request.Method, resp.Request.URL.Path)
}

// unreachable turns a transport error into a sentence that says what would help.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said unreached // under what HTTP puts around it
	if errors.As(err, &said) {
		return said.error
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return inventory.Errorf(inventory.ErrDenied,
			"you may not use %s; run with sudo, or have yourself added to the group lodge and sign in again", c.at)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return inventory.Errorf(inventory.ErrUnavailable,
			"no agent answers at %s; start it with 'sudo systemctl start lodged', 'sudo make up' or 'sudo lodged', or name its socket with --host unix:PATH", c.at)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "the connection to the agent at %s broke: %w",
		c.at, err)
}

// drain reads what is left, a little of it, so that the connection can be used again.
func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, maxProblem)
	body.Close()
}

// segment escapes one path segment.
func segment(s string) string { return url.PathEscape(s) }

// set adds a query parameter that is not empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
