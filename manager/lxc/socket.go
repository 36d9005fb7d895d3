package lxc

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"

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
	init := r.Observe(c).InitPID
	if init == 0 {
		return nil, 0, inventory.Errorf(inventory.ErrState, "%s is not running", c.Ref())
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "reply"), os.NewFile(uintptr(pair[1]), "helper")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, 0, err
	}
	defer conn.Close()
	cmd := exec.CommandContext(ctx, r.helper, "socket", what, strconv.Itoa(init), host, strconv.Itoa(port), server.String())
	cmd.Env, cmd.Stdout = []string{}, theirs
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
	files, err := unprivileged.Receive(conn.(*net.UnixConn), &reply)
	if err != nil || reply.Error != "" || len(files) != 1 {
		unprivileged.CloseAll(files)
		kind, _ := inventory.KindNamed(reply.Kind)
		if kind.Err == nil {
			return nil, 0, inventory.Errorf(inventory.ErrUnavailable, "%s of %s: the helper said nothing: %v", what, c.Ref(), err)
		}
		return nil, 0, inventory.Errorf(kind.Err, "%s", reply.Error)
	}
	return files[0], reply.Port, nil
}
