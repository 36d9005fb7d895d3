package sshgate

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/sshgate/worker"
)

// A forwarding is what a connection passes on under one name: connections to a port or a Unix socket,
// what comes to one that listens inside, questions to the caller's agent.
type forwarding struct {
	kind    inventory.SessionKind
	target  string        // "127.0.0.1:80", "/run/app.sock"
	listens bool          // inside, for as long as the connection
	entries []*gate.Entry // not left yet: of each connection, or the one of what listens
	moved   moved         // by what listens
}

// moved is the detail of a forward's audit outcome.
type moved struct {
	Connections int   `json:"connections"`
	Received    int64 `json:"received_bytes"` // by the client
	Sent        int64 `json:"sent_bytes"`
}

// what is the forwarding in a few words: a listener is no connection to the same.
func (f *forwarding) what() string {
	if f.listens {
		return "listen " + f.target
	}
	return f.target
}

// name is what a worker says to mean this one.
func (f *forwarding) name() string { return fmt.Sprintf("%s %t %s", f.kind, f.listens, f.target) }

// enter passes the gate for one forward and returns the name it has to the worker. used or finish ends it.
func (c *connection) enter(ctx context.Context, to forwarding) (name string, e *gate.Entry, err error) {
	f := c.known()
	if f.Container == "" {
		return "", nil, inventory.Errorf(inventory.ErrInvalid, "say which container: what is forwarded is of one")
	}
	asked := inventory.ForwardSessionArgs{To: to.what()}
	if to.kind != inventory.SessionForward {
		asked.User = f.login()
	}
	args, _ := json.Marshal(asked) // strings can't fail
	e, err = c.gateway.Gate.Enter(ctx, gate.Request{Verb: "container." + string(to.kind), Ref: f.ref(), Args: args})
	if err != nil {
		return "", nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forwards == nil {
		c.forwards = map[string]*forwarding{}
	}
	name = to.name()
	if c.forwards[name] == nil {
		c.forwards[name] = &to
	}
	c.forwards[name].entries = append(c.forwards[name].entries, e)
	return name, e, nil
}

// dial connects from inside the container; to the port ssh has by a container's name, to a gateway within.
func (c *connection) dial(ctx context.Context, r worker.Request) (*os.File, string, error) {
	if r.Path != "" {
		return c.dialUnix(ctx, r.Path)
	}
	if _, ok := jumpTo(r.Host, r.Port); ok {
		f, err := c.jump(ctx, r.Host)
		return f, "", err
	}
	name, e, err := c.enter(ctx, forwarding{kind: inventory.SessionForward, target: net.JoinHostPort(r.Host, strconv.Itoa(r.Port))})
	if err != nil {
		return nil, "", err
	}
	f, err := c.gateway.Sockets.DialInside(ctx, e.Container, r.Host, r.Port)
	if err != nil {
		c.finish(name, "failed: "+err.Error(), nil)
	}
	return f, name, err
}

// listen opens a port inside the container for the client.
func (c *connection) listen(ctx context.Context, r worker.Request) (f *os.File, a worker.Answer, err error) {
	if r.Path != "" {
		f, a.Forward, err = c.listenUnix(ctx, r.Path)
		return f, a, err
	}
	name, e, err := c.enter(ctx, forwarding{kind: inventory.SessionForward, target: net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), listens: true})
	if err != nil {
		return nil, a, err
	}
	f, a.Port, err = c.gateway.Sockets.ListenInside(ctx, e.Container, r.Host, r.Port)
	if err != nil {
		c.finish(name, "failed: "+err.Error(), nil)
	}
	a.Forward = name
	return f, a, err
}

// used notes what one connection moved: of what listens inside others may follow.
func (c *connection) used(r worker.Request) {
	c.mu.Lock()
	of := c.forwards[r.Forward]
	if of != nil && of.listens {
		of.moved.add(r)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	var m moved
	m.add(r)
	c.finish(r.Forward, "done", m)
}

func (m *moved) add(r worker.Request) {
	m.Connections++
	m.Received += max(r.Received, 0)
	m.Sent += max(r.Sent, 0)
}

// finish ends one of a name's.
func (c *connection) finish(name, result string, detail any) {
	c.mu.Lock()
	var e *gate.Entry
	if of := c.forwards[name]; of != nil {
		e, of.entries = of.entries[0], of.entries[1:]
		if len(of.entries) == 0 {
			delete(c.forwards, name)
		}
	}
	c.mu.Unlock()
	if e != nil {
		c.leave(e, result, detail)
	}
}

// closed ends what listens inside.
func (c *connection) closed(ctx context.Context, name string) {
	c.mu.Lock()
	var m moved
	if of := c.forwards[name]; of != nil {
		m = of.moved
	}
	c.mu.Unlock()
	c.removeSocket(ctx, name)
	c.finish(name, "done", m)
}

// leaveAll ends what the connection's end has ended.
func (c *connection) leaveAll() {
	c.mu.Lock()
	all := c.forwards
	c.forwards = nil
	c.mu.Unlock()
	for _, of := range all {
		for _, e := range of.entries {
			c.leave(e, "the connection ended", of.moved)
		}
	}
}

func (c *connection) leave(e *gate.Entry, result string, detail any) {
	if err := e.Leave(result, detail); err != nil {
		c.gateway.Log.Error("ssh: outcome not recorded", "verb", e.Verb, "error", err)
	}
}
