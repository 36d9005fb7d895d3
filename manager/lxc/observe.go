package lxc

import "lodge/inventory"

// State measures the container's state now, from its processes and its freezer. It never asks the
// monitor, so it answers when that hangs.
func (r *Runtime) State(c *inventory.Container) inventory.State {
	_, state := r.look(c)
	return state
}

// Observe measures what the container uses, all zero when it does not run. Disk is the pool's to
// tell.
func (r *Runtime) Observe(c *inventory.Container) inventory.Observed {
	run, state := r.look(c)
	o := inventory.Observed{State: state}
	if !state.IsLive() {
		r.mu.Lock()
		o.Reason = r.reason[c.ID]
		r.mu.Unlock()
		return o
	}
	o.InitPID = run.init.pid
	o.StartedAt = run.init.startedAt(r.now())
	o.Memory = run.payload.memory()
	o.CPUTime = run.payload.cpuTime()
	o.Processes = run.payload.processes()
	o.Devices = r.tendedOf(c.ID)
	return o
}

// look returns a copy of the run, whose state it judges, if there is one.
func (r *Runtime) look(c *inventory.Container) (run, inventory.State) {
	r.mu.Lock()
	now := r.runs[c.ID]
	if now == nil {
		r.mu.Unlock()
		return run{}, inventory.StateStopped
	}
	seen, dead := *now, isClosed(now.dead)
	r.mu.Unlock()
	return seen, seen.state(dead)
}

// state reads the freezer only for an init that lives, without the lock.
func (c run) state(dead bool) inventory.State {
	switch {
	case c.phase == phaseOver, c.phase == phaseFailed:
		return inventory.StateStopped
	case c.phase == phaseStarting, c.phase == phaseRebooting && !c.asked:
		return inventory.StateStarting
	case dead && c.asked:
		return inventory.StateStopped
	case dead && c.reported:
		return inventory.StateStopped
	case dead:
		return inventory.StateStopping // or rebooting: the monitor will tell in a moment
	}
	if frozen := c.payload.frozen(); frozen != inventory.StateRunning {
		return frozen
	}
	if c.asked {
		return inventory.StateStopping
	}
	return inventory.StateRunning
}
