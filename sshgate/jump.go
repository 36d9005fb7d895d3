package sshgate

import (
	"context"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// sshPort is where ssh -J looks for a server.
const sshPort = 22

// jumpsMost bounds the connections within one: each has a worker of its own.
const jumpsMost = 16

// jumpTo reads the name ssh -J asks for: CONTAINER[.PROJECT].lodge.internal. The port of that name is
// the gateway's: what comes to it is judged and recorded as if it had come to the door.
func jumpTo(host string, port int) (a Address, ok bool) {
	name, ours := strings.CutSuffix(strings.ToLower(host), "."+inventory.Domain)
	if !ours || port != sshPort {
		return a, false
	}
	a, err := ParseAddress(name)
	return a, err == nil && a.Container != "" && a.Login == ""
}

// jump returns the client's end of a connection within this one, which a worker of its own serves. Who
// comes by it has to sign in there again, and it goes when this one does.
func (c *connection) jump(ctx context.Context, host string) (*os.File, error) {
	if c.jumps.Add(1) > jumpsMost {
		c.jumps.Add(-1)
		return nil, inventory.Errorf(inventory.ErrQuota, "there are %d connections within this one, which is the most", jumpsMost)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		c.jumps.Add(-1)
		return nil, err
	}
	theirs, ours := os.NewFile(uintptr(pair[0]), "client"), os.NewFile(uintptr(pair[1]), "jump")
	defer ours.Close()
	inner := &connection{gateway: c.gateway, id: inventory.NewID(c.gateway.Now()), started: c.gateway.Now(), decide: func() {}}
	inner.From, inner.To, inner.Target = c.From, c.To, strings.ToLower(host)
	if err := inner.save(); err != nil {
		c.gateway.Log.Warn("ssh: the next agent won't know this connection", "error", err)
	}
	ctx = context.WithoutCancel(ctx)
	exited, err := inner.spawn(ctx, ours)
	if err != nil {
		c.jumps.Add(-1)
		inner.over()
		theirs.Close()
		return nil, err
	}
	c.gateway.keep(inner)
	go func() {
		defer c.jumps.Add(-1)
		inner.serve(ctx)
		if crashed := <-exited; crashed {
			c.gateway.Log.Warn("ssh: a worker died", "from", inner.From)
		}
		inner.over()
		c.gateway.drop(inner)
	}()
	return theirs, nil
}

// address is whom and what a user name asks for on this connection: at the door it names a container,
// within a jump only an account.
func (f facts) address(user string) (Address, error) {
	if f.Target == "" {
		return ParseAddress(user)
	}
	a, ok := jumpTo(f.Target, sshPort)
	if !ok {
		return a, inventory.Errorf(inventory.ErrInvalid, "%s is no container", f.Target)
	}
	a.Login = user
	return a, CheckLogin(user)
}

// fileOfTCP is the client's connection as a worker gets it.
func fileOfTCP(client *net.TCPConn) (*os.File, error) {
	defer client.Close()
	return client.File()
}
