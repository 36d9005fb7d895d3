package lxc

import (
	"os"

	"golang.org/x/sys/unix"
)

// readHooks handles what the hooks have spooled. A file is removed only after what it says has been
// noted, so a crash in between handles it twice, which is harmless.
func (r *Runtime) readHooks() {
	r.spoolMu.Lock()
	defer r.spoolMu.Unlock()
	if !r.adopted {
		return // nobody knows yet whose events they are
	}
	events, files := readSpool(r.hookDir(), r.boot)
	for i, event := range events {
		switch event.kind {
		case hookStart:
			r.sawStart(event)
		case hookStop:
			r.sawStop(event)
		}
		os.Remove(files[i])
	}
}

// sawStart notes a new init. For a start of ours Start notes it too; for a reboot nobody else does.
func (r *Runtime) sawStart(event hookEvent) {
	cpu := cpuTimeOf(event.init.pid)
	r.mu.Lock()
	c := r.runs[event.id]
	if c == nil || c.init == event.init || c.phase == phaseOver || c.phase == phaseFailed {
		r.mu.Unlock()
		return
	}
	if c.phase == phaseStarting {
		// Start finds these if its helper does not live to tell.
		c.hookedInit, c.hookedMonitor, c.hookedCPU = event.init, event.monitor, cpu
		r.mu.Unlock()
		return
	}
	c.renew()
	asked := c.asked
	r.mu.Unlock()
	if !r.watch(c, event.init, event.monitor) {
		r.lost(c)
		return
	}
	if asked {
		// A stop was asked for and the container chose to reboot: it is not to come back.
		signalProcess(event.init, unix.SIGKILL)
		return
	}
	r.exits.put(Exit{ID: c.id, Target: TargetStart, At: r.now()})
}

// lost notes that an init was dead before it could be watched.
func (r *Runtime) lost(c *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.phase = phaseEnding
	close(c.dead)
}

// sawStop learns whether a dead init is to be followed by another.
func (r *Runtime) sawStop(event hookEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.runs[event.id]
	if c == nil || c.phase == phaseStarting || c.phase == phaseFailed || c.phase == phaseOver || c.monitor != event.monitor {
		return
	}
	if event.target == TargetReboot {
		r.report(c, TargetReboot, death{})
		c.phase = phaseRebooting
		return
	}
	r.report(c, TargetStop, r.deathOf(c.name, c.init.pid, true))
	c.phase = phaseEnding
}
