package sshgate

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// unixSockets are files inside a container. They are made and reached by the account somebody signed in
// for, with its permissions, in the container's own view of files.
type unixSockets interface {
	DialUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) (*os.File, error)
	// ListenUnix makes the file and returns where; for an agent in a folder of its own.
	ListenUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error)
	RemoveUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) error
}

// accounts give people their own account in a container.
type accounts interface {
	// Ensure is ErrExists where there is one of that name that Lodge did not make.
	Ensure(ctx context.Context, p inventory.Principal, c *inventory.Container, by inventory.SessionID) error
}

// login is the account inside: the one that was asked for, else the caller's own.
func (f facts) login() string { return cmp.Or(f.Login, f.Principal.Name) }

// ensureAccount gives who comes in as themselves their own account, as for a session.
func (c *connection) ensureAccount(ctx context.Context, e *gate.Entry) error {
	f := c.known()
	if c.gateway.Accounts == nil || f.login() != e.Principal.Name {
		return nil
	}
	err := c.gateway.Accounts.Ensure(ctx, e.Principal, e.Container, e.Session())
	if f.Login != "" && errors.Is(err, inventory.ErrExists) {
		return nil // the one that is there was meant
	}
	return err
}

// layers are the settings above a container.
type layers interface {
	// Layers returns what the project and the host set, in this order.
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

func (c *connection) dialUnix(ctx context.Context, path string) (*os.File, string, error) {
	s := inventory.UnixSocket{Account: c.known().login(), Path: path}
	if err := s.Check(); err != nil {
		return nil, "", err
	}
	name, e, err := c.enter(ctx, forwarding{kind: inventory.SessionSocket, target: path})
	if err != nil {
		return nil, "", err
	}
	var f *os.File
	if err = c.ensureAccount(ctx, e); err == nil {
		f, err = c.gateway.Unix.DialUnix(ctx, e.Container, s)
	}
	if err != nil {
		c.finish(name, "failed: "+err.Error(), nil)
	}
	return f, name, err
}

func (c *connection) listenUnix(ctx context.Context, path string) (*os.File, string, error) {
	s := inventory.UnixSocket{Account: c.known().login(), Path: path}
	if err := s.Check(); err != nil {
		return nil, "", err
	}
	return c.makeSocket(ctx, forwarding{kind: inventory.SessionSocket, target: path, listens: true}, s)
}

// agent makes the socket by which programs inside reach the caller's ssh-agent(1). A connection has one,
// and sessions that begin after it are told where it is.
func (c *connection) agent(ctx context.Context) (*os.File, string, error) {
	f := c.known()
	if f.Container == "" || c.agentPath() != "" {
		return nil, "", inventory.Errorf(inventory.ErrState, "there is no container to forward the agent to, or it is forwarded")
	}
	x, err := c.gateway.Store.Container(ctx, f.ref())
	if err != nil {
		return nil, "", err
	}
	above, err := c.gateway.Settings.Layers(ctx, x.Project)
	if err != nil {
		return nil, "", err
	}
	if !takesAgents(inventory.Layer{Values: x.Settings}, above) { // no refusal to be recorded: clients ask by habit
		return nil, "", inventory.Errorf(inventory.ErrDenied, "%s takes no agents; 'lodge set %s %s=true' lets it", x.Ref(), x.Name, SettingAgent)
	}
	return c.makeSocket(ctx, forwarding{kind: inventory.SessionAgent, target: "ssh-agent", listens: true},
		inventory.UnixSocket{Account: f.login(), Agent: true})
}

// takesAgents is ssh.agent of the nearest layer that says anything.
func takesAgents(container inventory.Layer, above []inventory.Layer) bool {
	for _, l := range append([]inventory.Layer{container}, above...) {
		if value, set := l.Values[SettingAgent]; set {
			return value == "true"
		}
	}
	return false
}

func (c *connection) makeSocket(ctx context.Context, to forwarding, s inventory.UnixSocket) (*os.File, string, error) {
	name, e, err := c.enter(ctx, to)
	if err != nil {
		return nil, "", err
	}
	var f *os.File
	if err = c.ensureAccount(ctx, e); err == nil {
		f, s, err = c.gateway.Unix.ListenUnix(ctx, e.Container, s)
	}
	if err != nil {
		c.finish(name, "failed: "+err.Error(), nil)
		return nil, "", err
	}
	c.mu.Lock()
	c.Unix = append(slices.Clone(c.Unix), listening{Name: name, UnixSocket: s})
	c.mu.Unlock()
	if err := c.save(); err != nil { // it is removed all the same, unless the agent dies before
		c.gateway.Log.Warn("ssh: the next agent won't know a socket", "path", s.Path, "error", err)
	}
	return f, name, nil
}

// A listening socket is removed with its connection, if need be by the next agent.
type listening struct {
	Name string `json:"name"` // of its forwarding
	inventory.UnixSocket
}

// agentPath is where the agent's socket is; "" without one.
func (f facts) agentPath() string {
	for _, l := range f.Unix {
		if l.Agent {
			return l.Path
		}
	}
	return ""
}

func (c *connection) agentPath() string { return c.known().agentPath() }

// removeSocket removes the file of a forwarding that had one.
func (c *connection) removeSocket(ctx context.Context, name string) {
	c.mu.Lock()
	at := slices.IndexFunc(c.Unix, func(l listening) bool { return l.Name == name })
	if at < 0 {
		c.mu.Unlock()
		return
	}
	gone := c.Unix[at]
	c.Unix = slices.Delete(slices.Clone(c.Unix), at, at+1)
	c.mu.Unlock()
	c.unlink(ctx, gone)
	if err := c.save(); err != nil {
		c.gateway.Log.Warn("ssh: the next agent looks for a socket that is gone", "path", gone.Path, "error", err)
	}
}

// unlinkTime is how long the files of a connection that ended may take to be removed.
const unlinkTime = 30 * time.Second

// removeSockets removes what is left at the connection's end.
func (c *connection) removeSockets() {
	ctx, cancel := context.WithTimeout(context.Background(), unlinkTime)
	defer cancel()
	for _, l := range c.known().Unix {
		c.unlink(ctx, l)
	}
}

// unlink is of no use in a container that has stopped or is gone, and no error there.
func (c *connection) unlink(ctx context.Context, l listening) {
	x, err := c.gateway.Store.Container(ctx, c.known().ref())
	if err == nil {
		err = c.gateway.Unix.RemoveUnix(ctx, x, l.UnixSocket)
	}
	if err != nil {
		c.gateway.Log.Info("ssh: a socket is left in the container", "path", l.Path, "error", err)
	}
}
