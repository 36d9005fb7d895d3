package sshgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strconv"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/sshgate/worker"
)

// open passes the gate as who signed in, begins the session, and returns the connection to its holder.
// Who named no container is told which there are, and chooses one as Host.
func (c *connection) open(ctx context.Context, r worker.Request) (_ *os.File, a worker.Answer, err error) {
	f := c.known()
	switch {
	case f.Container != "":
	case r.Host != "":
		f, err = c.chosen(ctx, f, r.Host)
	case r.Kind == inventory.SessionShell:
		a.Text, err = c.menu(ctx, *f.Principal)
		return nil, a, err
	default:
		err = inventory.Errorf(inventory.ErrInvalid,
			"say which container, like: ssh web1@HOST, or root+web1@HOST, or web1.PROJECT@HOST")
	}
	if err != nil {
		return nil, a, err
	}
	if r.Session == nil {
		return nil, a, inventory.Errorf(inventory.ErrInvalid, "a session needs to be told what to run")
	}
	args := *r.Session
	args.User, args.Own, args.Attached = f.Login, f.Login == "", true
	args.Env = f.environment(args.Env)
	file, id, err := c.begin(ctx, f, r.Kind, args)
	a.Session = id
	return file, a, err
}

func (c *connection) begin(ctx context.Context, f facts, kind inventory.SessionKind, args inventory.SessionArgs) (*os.File, inventory.SessionID, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, "", err
	}
	s, err := c.gateway.Sessions.Open(ctx, gate.Request{Verb: "container." + string(kind), Ref: f.ref(), Args: raw})
	if err != nil {
		return nil, "", err
	}
	conn, err := c.gateway.Sessions.Attach(ctx, s.ID, false)
	if err != nil {
		return nil, s.ID, err
	}
	defer conn.Close()
	file, err := fileOf(conn)
	return file, s.ID, err
}

// environment adds what OpenSSH's server tells of the connection (ssh(1), ENVIRONMENT) to what the
// client sent.
func (f facts) environment(sent map[string]string) map[string]string {
	all := maps.Clone(sent)
	if all == nil {
		all = map[string]string{}
	}
	all["SSH_CLIENT"] = fmt.Sprintf("%s %d %d", f.From.Addr(), f.From.Port(), f.To.Port())
	all["SSH_CONNECTION"] = fmt.Sprintf("%s %d %s %d", f.From.Addr(), f.From.Port(), f.To.Addr(), f.To.Port())
	return all
}

func fileOf(conn net.Conn) (*os.File, error) {
	for {
		switch inner := conn.(type) {
		case interface{ File() (*os.File, error) }:
			return inner.File()
		case interface{ NetConn() net.Conn }:
			conn = inner.NetConn()
		default:
			return nil, errors.New("the connection to the session has no descriptor")
		}
	}
}

// enterForward passes the gate for one forward; used ends it.
func (c *connection) enterForward(ctx context.Context, what string) (*gate.Entry, error) {
	f := c.known()
	if f.Container == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid, "say which container: ports are those of its network")
	}
	args, _ := json.Marshal(inventory.ForwardSessionArgs{To: what})
	e, err := c.gateway.Gate.Enter(ctx, gate.Request{Verb: "container.forward", Ref: f.ref(), Args: args})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forwards == nil {
		c.forwards = map[string][]*gate.Entry{}
	}
	c.forwards[what] = append(c.forwards[what], e)
	return e, nil
}

// dial connects from inside the container; to the port ssh has by a container's name, to a gateway within.
func (c *connection) dial(ctx context.Context, r worker.Request) (*os.File, error) {
	if _, ok := jumpTo(r.Host, r.Port); ok {
		return c.jump(ctx, r.Host)
	}
	what := net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	e, err := c.enterForward(ctx, what)
	if err != nil {
		return nil, err
	}
	f, err := c.gateway.Sockets.DialInside(ctx, e.Container, r.Host, r.Port)
	if err != nil {
		c.finish(what, "failed: "+err.Error(), nil)
	}
	return f, err
}

// listen opens a port inside the container for the client.
func (c *connection) listen(ctx context.Context, r worker.Request) (*os.File, int, error) {
	what := "listen " + net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	e, err := c.enterForward(ctx, what)
	if err != nil {
		return nil, 0, err
	}
	f, port, err := c.gateway.Sockets.ListenInside(ctx, e.Container, r.Host, r.Port)
	if err != nil {
		c.finish(what, "failed: "+err.Error(), nil)
	}
	return f, port, err
}

// used ends a forward with what it moved.
func (c *connection) used(r worker.Request) {
	c.finish(r.Host, "done", map[string]int64{"received_bytes": r.Received, "sent_bytes": r.Sent})
}

func (c *connection) finish(what, result string, detail any) {
	c.mu.Lock()
	var e *gate.Entry
	if all := c.forwards[what]; len(all) > 0 {
		e, c.forwards[what] = all[0], all[1:]
	}
	c.mu.Unlock()
	if e != nil {
		c.leave(e, result, detail)
	}
}
