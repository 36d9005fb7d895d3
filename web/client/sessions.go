package client

import (
	"context"
	"io"
	"net/http"

	"lodge/inventory"
	"lodge/web/wire"
)

// SessionQuery chooses sessions.
type SessionQuery struct {
	Container inventory.ContainerID
	Live      bool // only those that run
	Limit     int
	Cursor    string
}

// OpenSession starts an exec, shell or console. Attach to it with Stream.
func (c *Client) OpenSession(ctx context.Context, ref inventory.Ref, s wire.SessionRequest,
	o Options) (wire.Session, error) {
	r := with(on(ref, "POST", "/sessions"), s)
	set(r.query, "reason", o.Reason)
	set(r.query, "ticket", o.Ticket)
	return call[wire.Session](ctx, c, r)
}

// Sessions returns one page of sessions, newest first.
func (c *Client) Sessions(ctx context.Context, q SessionQuery) (wire.Page[wire.Session], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "container", string(q.Container))
	if q.Live {
		v.Set("live", "true")
	}
	return call[wire.Page[wire.Session]](ctx, c, request{method: "GET", path: "/sessions", query: v})
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, id inventory.SessionID) (wire.Session, error) {
	return call[wire.Session](ctx, c, request{method: "GET", path: "/sessions/" + segment(string(id))})
}

// EndSession ends a session: its processes are killed.
func (c *Client) EndSession(ctx context.Context, id inventory.SessionID) (wire.Session, error) {
	return call[wire.Session](ctx, c, request{method: "POST",
		path: "/sessions/" + segment(string(id)) + "/end"})
}

// Recording writes the recording of a session to w.
func (c *Client) Recording(ctx context.Context, w io.Writer, id inventory.SessionID) error {
	return c.download(ctx, w, request{method: "GET", path: "/sessions/" + segment(string(id)) + "/recording"})
}

// Stream attaches to a session: a connection that carries manager/session/stream frames both ways.
// It ends with ctx. A read-only stream only watches.
func (c *Client) Stream(ctx context.Context, id inventory.SessionID,
	readOnly bool) (io.ReadWriteCloser, error) {
	r := request{method: "GET", path: "/sessions/" + segment(string(id)) + "/stream", header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {wire.StreamProtocol}}}
	if readOnly {
		r.query = map[string][]string{"read_only": {"true"}}
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	// net/http makes the body of a 101 the connection itself, both ways.
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		resp.Body.Close()
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"the agent did not turn the connection into a stream: %s", resp.Status)
	}
	return conn, nil
}
