package lxc

import (
	"context"

	"lodge/inventory"
)

// Adopt finds the containers that run, after a start of the agent, and watches them from now on.
// Those that died or rebooted while no agent was there are told to Exits. It has to be called once,
// with every container of this host, before any other operation.
func (r *Runtime) Adopt(_ context.Context, containers []*inventory.Container) error {
	if r.watcher == nil {
		return inventory.Errorf(inventory.ErrUnavailable, "containers can't be watched; the agent's log says why")
	}
	monitors := findMonitors(r.lxcpath)
	var found []*run
	for _, c := range containers {
		if run := r.find(c, monitors); run != nil {
			found = append(found, run)
		}
	}
	r.spoolMu.Lock()
	r.adopted = true
	r.spoolMu.Unlock()
	r.readHooks() // reboots that happened meanwhile: new inits
	for _, run := range found {
		r.resume(run)
	}
	return nil
}

// find registers what is known of the container's last run in this boot: by its facts, or, should
// those be lost, by the name of its monitor.
func (r *Runtime) find(c *inventory.Container, monitors map[string]process) *run {
	f, ok := r.loadFacts(c.ID)
	init, monitor := f.init(), f.monitor()
	if alive, named := monitors[c.LXCName()]; named && (!ok || alive != monitor) {
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

// resume watches a run Adopt has found. When init is dead it is the monitor's end, or the hook of a
// new init, that decides what comes next.
func (r *Runtime) resume(c *run) {
	r.mu.Lock()
	init, monitor, phase := c.init, c.monitor, c.phase
	dead := isClosed(c.dead)
	if !dead {
		c.phase = phaseRunning
	}
	r.mu.Unlock()
	if phase == phaseRunning {
		return // a hook brought it up to date, and it is watched
	}
	if next, ok := childInit(monitor); dead && ok && next != init {
		dead = false
		r.renew(c)
		init = next
	}
	if !dead {
		// watch adds the monitor only if it is news.
		r.mu.Lock()
		c.monitor = process{}
		r.mu.Unlock()
		if r.watch(c, init, monitor) {
			r.recallCPUs(c)
			return
		}
		r.lost(c)
	}
	r.watchMonitor(c, monitor)
}

// renew readies a run for another init.
func (r *Runtime) renew(c *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.grace != nil {
		c.grace.Stop()
	}
	c.dead, c.reported, c.phase = make(chan struct{}), false, phaseRunning
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
