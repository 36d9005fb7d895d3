package lxc

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strconv"

	"lodge/inventory"
	"lodge/manager/unprivileged"
)

// DialInside opens a TCP connection from inside the container's network. A host that is a name is
// looked up at the name server, as the container would.
func (r *Runtime) DialInside(ctx context.Context, c *inventory.Container, server netip.Addr, host string, port int) (*os.File, error) {
	f, _, err := r.socketInside(ctx, c, "connect", server, host, port)
	return f, err
}

// ListenInside opens a port on the container's loopback; port 0 is any, and bound says which it is.
func (r *Runtime) ListenInside(ctx context.Context, c *inventory.Container, host string, port int) (f *os.File, bound int, err error) {
	return r.socketInside(ctx, c, "listen", netip.Addr{}, host, port)
}

func (r *Runtime) socketInside(ctx context.Context, c *inventory.Container, what string, server netip.Addr, host string, port int) (*os.File, int, error) {
	run, state := r.look(c)
	stopped := inventory.Errorf(inventory.ErrState, "%s is not running", c.Ref())
	if !state.IsLive() {
		return nil, 0, stopped
	}
	fd, err := run.init.open()
	if err != nil {
		return nil, 0, stopped
	}
	init := os.NewFile(uintptr(fd), "init")
	defer init.Close()
	return OpenSocket(ctx, r.helper, init, what, server, host, port)
}

// OpenSocket has lodge-lxc open a TCP socket in the network of the process whose pidfd init is: a number
// might be another process's by then. what is "connect" or "listen".
func OpenSocket(ctx context.Context, helper string, init *os.File, what string, server netip.Addr, host string, port int) (*os.File, int, error) {
	conn, theirs, err := unprivileged.Pair()
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	cmd := exec.CommandContext(ctx, helper, "socket", what, host, strconv.Itoa(port), server.String())
	cmd.Env, cmd.Stdout, cmd.ExtraFiles = []string{}, theirs, []*os.File{init}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, 0, err
	}
	defer cmd.Wait()
	var reply struct {
		Port        int
		Error, Kind string
	}
	files, err := unprivileged.Receive(conn, &reply)
	if err != nil || reply.Error != "" || len(files) != 1 {
		unprivileged.CloseAll(files)
		kind, _ := inventory.KindNamed(reply.Kind)
		if kind.Err == nil {
			return nil, 0, inventory.Errorf(inventory.ErrUnavailable, "%s %s:%d: lodge-lxc said nothing: %v", what, host, port, err)
		}
		return nil, 0, inventory.Errorf(kind.Err, "%s", reply.Error)
	}
	return files[0], reply.Port, nil
}
