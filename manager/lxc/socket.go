package lxc

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

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
	init, err := r.initOf(c)
	if err != nil {
		return nil, 0, err
	}
	defer init.Close()
	return OpenSocket(ctx, r.helper, init, what, server, host, port)
}

// initOf is the pidfd of the container's init: a number might be another process's by the time it is used.
func (r *Runtime) initOf(c *inventory.Container) (*os.File, error) {
	run, state := r.look(c)
	stopped := inventory.Errorf(inventory.ErrState, "%s is not running", c.Ref())
	if !state.IsLive() {
		return nil, stopped
	}
	fd, err := run.init.open()
	if err != nil {
		return nil, stopped
	}
	return os.NewFile(uintptr(fd), "init"), nil
}

// OpenSocket has lodge-lxc open a TCP socket in the network of the process whose pidfd init is.
// what is "connect" or "listen".
func OpenSocket(ctx context.Context, helper string, init *os.File, what string, server netip.Addr, host string, port int) (*os.File, int, error) {
	var reply socketReply
	argv := []string{"socket", what, host, strconv.Itoa(port), server.String()}
	files, err := askInside(ctx, helper, init, &reply, argv...)
	if err == nil && len(files) != 1 {
		unprivileged.CloseAll(files)
		err = errNoSocket
	}
	if err != nil {
		return nil, 0, err
	}
	return files[0], reply.Port, nil
}

var errNoSocket = inventory.Errorf(inventory.ErrUnavailable, "lodge-lxc sent no socket")

// A socketReply is what lodge-lxc says with a socket.
type socketReply struct {
	Port  int
	Path  string
	Inode uint64

	Error, Kind string
}

// askInside runs lodge-lxc on the container of init and returns the files it sends with its reply.
func askInside(ctx context.Context, helper string, init *os.File, reply *socketReply, argv ...string) ([]*os.File, error) {
	conn, theirs, err := unprivileged.Pair()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	cmd := exec.CommandContext(ctx, helper, argv...)
	cmd.Env, cmd.Stdout, cmd.ExtraFiles = []string{}, theirs, []*os.File{init}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, err
	}
	defer cmd.Wait()
	files, err := unprivileged.Receive(conn, reply)
	if err == nil && reply.Error == "" {
		return files, nil
	}
	unprivileged.CloseAll(files)
	kind, _ := inventory.KindNamed(reply.Kind)
	if kind.Err == nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "%s: lodge-lxc said nothing: %v", strings.Join(argv[:2], " "), err)
	}
	return nil, inventory.Errorf(kind.Err, "%s", reply.Error)
}
