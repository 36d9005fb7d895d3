package sshgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"

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
	if agent := f.agentPath(); agent != "" {
		all["SSH_AUTH_SOCK"] = agent
	}
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
