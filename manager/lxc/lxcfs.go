package lxc

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
)

// bindTimeout bounds one container's binding: mounts take microseconds.
const bindTimeout = 10 * time.Second

// BindLXCFS puts the files of lxcfs into a running container over whatever is bound there. It is
// for a lxcfs that was started anew: the old one's files fail with ENOTCONN for ever.
func (r *Runtime) BindLXCFS(ctx context.Context, c *inventory.Container) error {
	pid := r.Observe(c).InitPID
	if pid == 0 {
		return nil
	}
	r.lxcfs.forget()
	h, err := r.readHost()
	if err != nil {
		return err
	}
	args := []string{"bind", strconv.Itoa(pid)}
	for _, b := range h.lxcfs {
		args = append(args, b.source, "/"+b.target)
	}
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, r.helper, args...).CombinedOutput()
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "bind lxcfs into %s: %s", c.Ref(),
			strings.TrimSpace(string(out)))
	}
	return nil
}
