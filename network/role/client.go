package role

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"lodge/manager/unprivileged"
	"lodge/network/names"
)

// A Client is the agent's end of the control socket. Its methods may be called at the same time;
// they take turns.
type Client struct {
	conn *net.UnixConn
	proc *Process

	turn    sync.Mutex // held from request to response
	replies chan reply
	done    chan struct{} // closed when the connection ended
	info    Info          // of the last response; guarded by turn
}

type reply struct {
	response
	files []*os.File
}

// Dial connects to the role that listens on path and asks who it is. It fails when nobody listens,
// and when whoever does gives no answer until ctx ends: that is a HungError.
func Dial(ctx context.Context, path string) (*Client, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: raw.(*net.UnixConn), replies: make(chan reply, 1), done: make(chan struct{})}
	// The credentials of a listener are those of the process that called listen(2): the role.
	cred, err := peer(c.conn)
	if err == nil {
		c.proc, err = openProcess(int(cred.Pid))
	}
	if err != nil {
		c.conn.Close()
		return nil, err
	}
	go c.read()
	if _, err := c.call(ctx, request{Op: opHello}, nil); err != nil {
		c.conn.Close()
		return nil, &HungError{Process: c.proc, Err: err}
	}
	return c, nil
}

// A HungError is a process that took the connection and answers nothing, or nonsense. Whoever gets
// it closes the process.
type HungError struct {
	Process *Process
	Err     error
}

func (e *HungError) Error() string {
	return fmt.Sprintf("the net role (pid %d) does not answer: %v", e.Process.PID, e.Err)
}

func (e *HungError) Unwrap() error { return e.Err }

// read hands each response to the call that waits for it. The role says nothing unasked.
func (c *Client) read() {
	defer close(c.done)
	for {
		var r reply
		var err error
		if r.files, err = unprivileged.Receive(c.conn, &r.response); err != nil {
			return
		}
		c.replies <- r
	}
}

// call sends a request and waits for its response. After a timeout the connection is of no use any
// more, because a late response would be taken for the next one: it is closed.
func (c *Client) call(ctx context.Context, req request, files []*os.File) (reply, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if deadline, ok := ctx.Deadline(); ok {
		c.conn.SetWriteDeadline(deadline)
	} else {
		c.conn.SetWriteDeadline(time.Time{})
	}
	if err := unprivileged.Send(c.conn, req, files); err != nil {
		c.conn.Close()
		return reply{}, err
	}
	select {
	case r := <-c.replies:
		if r.Error != "" {
			unprivileged.CloseAll(r.files)
			return reply{}, errors.New(r.Error)
		}
		if r.Info != nil {
			c.info = *r.Info
		}
		return r, nil
	case <-c.done:
		return reply{}, errors.New("the connection ended")
	case <-ctx.Done():
		c.conn.Close()
		return reply{}, ctx.Err()
	}
}

// Info is what the role last said of itself.
func (c *Client) Info() Info {
	c.turn.Lock()
	defer c.turn.Unlock()
	return c.info
}

// Done is closed when the role is gone.
func (c *Client) Done() <-chan struct{} { return c.done }

// Hello reports whether the role answers.
func (c *Client) Hello(ctx context.Context) error {
	_, err := c.call(ctx, request{Op: opHello}, nil)
	return err
}

// SetZone returns once the role answers from the zone, which is a State in JSON.
func (c *Client) SetZone(ctx context.Context, zone []byte) error {
	_, err := c.call(ctx, request{Op: opZone, Zone: zone}, nil)
	return err
}

// SetSockets makes the role serve the added sockets and those named in keep, and no others. The
// files of added stay the caller's.
func (c *Client) SetSockets(ctx context.Context, added []names.Socket, keep []string) error {
	req := request{Op: opSockets, Keep: keep}
	var files []*os.File
	for _, s := range added {
		req.Sockets = append(req.Sockets, s.Name)
		files = append(files, s.File)
	}
	_, err := c.call(ctx, req, files)
	return err
}

// Handover returns the sockets the role serves; it goes on serving them. The caller closes the files.
func (c *Client) Handover(ctx context.Context) ([]names.Socket, error) {
	r, err := c.call(ctx, request{Op: opHandover}, nil)
	if err != nil {
		return nil, err
	}
	if len(r.files) != len(r.Sockets) {
		unprivileged.CloseAll(r.files)
		return nil, fmt.Errorf("%d sockets were named and %d came", len(r.Sockets), len(r.files))
	}
	var out []names.Socket
	for i, f := range r.files {
		out = append(out, names.Socket{Name: r.Sockets[i], File: f})
	}
	return out, nil
}

// Quit tells the role to exit and waits until it has.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.call(ctx, request{Op: opQuit}, nil)
	if err != nil {
		return err
	}
	return c.proc.Wait(ctx)
}

// Close leaves the role running.
func (c *Client) Close() {
	c.conn.Close()
	c.proc.Close()
}

// Kill ends a role that does not go when told to.
func (c *Client) Kill(ctx context.Context) error { return c.proc.Kill(ctx) }
