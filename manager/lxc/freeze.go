package lxc

import (
	"context"
	"time"

	"lodge/inventory"
)

// freezeTimeout bounds a freeze: a process in uninterruptible sleep holds it up.
const freezeTimeout = 10 * time.Second

// Freeze stops every process of the container where it is and returns when the kernel says that all
// are. When they can't be stopped within ten seconds, they run on and the error says so. A frozen
// container is left as it is.
func (r *Runtime) Freeze(ctx context.Context, c *inventory.Container) error {
	run, state := r.look(c)
	if !state.IsLive() {
		return inventory.Errorf(inventory.ErrState,
			"freeze %s: it is %s; only a running container can be frozen", c.Name, state)
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	if err := run.payload.setFrozen(ctx, true); err != nil {
		run.payload.writeFreezer(false)
		return inventory.Errorf(inventory.ErrState,
			"freeze %s: it runs on, as not all of its processes could be stopped: %v", c.Name, err)
	}
	return nil
}

// Unfreeze lets the container's processes run on. One that is not frozen is left as it is.
func (r *Runtime) Unfreeze(ctx context.Context, c *inventory.Container) error {
	run, state := r.look(c)
	if !state.IsLive() {
		return inventory.Errorf(inventory.ErrState, "unfreeze %s: it is %s", c.Name, state)
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	if err := run.payload.setFrozen(ctx, false); err != nil {
		return inventory.Errorf(inventory.ErrState, "unfreeze %s: %v", c.Name, err)
	}
	return nil
}
