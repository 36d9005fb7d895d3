package lxc

import (
	"context"
	"os"
	"strconv"

	"lodge/inventory"
	"lodge/manager/unprivileged"
)

// DialUnix connects to a Unix socket inside the container, as the account would.
func (r *Runtime) DialUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) (*os.File, error) {
	f, _, err := r.unixInside(ctx, c, "connect", s)
	return f, err
}

// ListenUnix makes a Unix socket inside the container, of mode 0600 and the account's. Where s is of an
// agent it is in a new folder of its own, of mode 0700. What it returns is for RemoveUnix.
func (r *Runtime) ListenUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error) {
	if s.Agent {
		s.Path = "/tmp"
		return r.unixInside(ctx, c, "agent", s)
	}
	return r.unixInside(ctx, c, "listen", s)
}

// RemoveUnix removes what ListenUnix has made, unless something else is there by now.
func (r *Runtime) RemoveUnix(ctx context.Context, c *inventory.Container, s inventory.UnixSocket) error {
	_, _, err := r.unixInside(ctx, c, "remove", s)
	return err
}

func (r *Runtime) unixInside(ctx context.Context, c *inventory.Container, what string, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error) {
	init, err := r.initOf(c)
	if err != nil {
		return nil, s, err
	}
	defer init.Close()
	return OpenUnix(ctx, r.helper, init, what, s)
}

// OpenUnix has lodge-lxc work on a Unix socket in the container of the process whose pidfd init is. what
// is "connect", "listen", "agent" or "remove", which returns no file.
func OpenUnix(ctx context.Context, helper string, init *os.File, what string, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error) {
	if err := s.Check(); err != nil {
		return nil, s, err
	}
	var reply socketReply
	files, err := askInside(ctx, helper, init, &reply, "unix", what, s.Account, s.Path, strconv.FormatUint(s.Inode, 10))
	if err != nil {
		return nil, s, err
	}
	s.Path, s.Inode = reply.Path, reply.Inode
	if what == "remove" {
		unprivileged.CloseAll(files)
		return nil, s, nil
	}
	if len(files) != 1 {
		unprivileged.CloseAll(files)
		return nil, s, errNoSocket
	}
	return files[0], s, nil
}
