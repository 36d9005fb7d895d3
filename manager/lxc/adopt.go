package lxc

import (
	"context"

	"lodge/inventory"
)

// Adopt finds the containers that run, after a start of the agent, and watches them from now on.
// Those that died or rebooted while no agent was there are told to Exits; known has them, and those
// that live: what is not in it left no trace in this boot. It has to be called once, with every
// container of this host, before any other operation.
func (r *Runtime) Adopt(_ context.Context, containers []*inventory.Container) (
	known map[inventory.ContainerID]bool, err error) {
	known = map[inventory.ContainerID]bool{}
	if r.watcher == nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"containers can't be watched; the agent's log says why")
	}
	monitors := findMonitors(r.lxcpath)
	var found []*run
	for _, c := range containers {
		if run := r.find(c, monitors); run != nil {
			found, known[c.ID] = append(found, run), true
		} else {
			r.dropRoot(c.ID) // of a run that ended while no agent was there
		}
	}
	r.spoolMu.Lock()
	r.adopted = true
	r.spoolMu.Unlock()
	r.readHooks() // reboots that happened meanwhile: new inits
	for _, run := range found {
		r.resume(run)
	}
	return known, nil
}

// find registers what is known of the container's last run in this boot: by its facts, or, should
// those be lost, by the name of its monitor.
func (r *Runtime) find(c *inventory.Container, monitors map[string]process) *run {
	f, ok := r.loadFacts(c.ID)
	init, monitor := f.init(), f.monitor()
	if alive, named := monitors[c.LXCName()]; named && (!ok || !monitor.isSame()) {
		ok, monitor = true, alive
		init, _ = childInit(alive)
	}
	if !ok {
		return nil
	}
	run := &run{
		id: c.ID, name: c.LXCName(), phase: phaseEnding, init: init, monitor: monitor,
		dead: make(chan struct{}), gone: make(chan struct{}),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[c.ID] != nil {
		return nil
	}
	if !init.isSame() {
		close(run.dead)
	}
	r.runs[c.ID] = run
	return run
}

// resume watches a run Adopt has found. When its init is dead it is the monitor's end, or the hook
// of a new init, that decides what comes next.
func (r *Runtime) resume(c *run) {
	r.mu.Lock()
	if c.watched {
		r.mu.Unlock()
		return // a hook brought it up to date
	}
	init, monitor, alive := c.init, c.monitor, !isClosed(c.dead)
	rebooted := false
	if alive {
		c.phase = phaseRunning
	} else if next, ok := childInit(monitor); ok {
		// It rebooted and the hook's file is lost.
		init, alive, rebooted = next, true, true
		c.renew()
	}
	r.mu.Unlock()
	if alive && r.watch(c, init, monitor) {
		r.recallCPUs(c)
		r.adoptProxies(c.id)
		if rebooted {
			r.exits.put(Exit{ID: c.id, Target: TargetStart, At: r.now()})
		}
		return
	}
	if alive {
		r.lost(c)
	}
	r.watchMonitor(c, monitor)
}

// recallCPUs notes which CPUs an adopted container was given.
func (r *Runtime) recallCPUs(c *run) {
	list, err := c.payload.read("cpuset", "cpuset.cpus")
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cpus[c.id] = parseCPUs(list)
}
