package lxc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A phase is how far a run is. What the freezer adds to it is read when asked for.
type phase int

const (
	phaseStarting  phase = iota // Start waits for init
	phaseRunning                // init lives
	phaseEnding                 // init is dead; reboot or stop is not known yet, or the monitor cleans up
	phaseRebooting              // the monitor makes a new init
	phaseFailed                 // Start gave up and cleans up; never told to Exits
	phaseOver                   // the monitor is gone
)

// A run is one life of a container, from the start of its monitor to its end. It holds several
// inits when the container reboots. Its fields are guarded by Runtime.mu.
type run struct {
	id      inventory.ContainerID
	name    string // liblxc's
	phase   phase
	init    process
	monitor process
	payload payload
	cgroups []string // to be swept: those of the payload and the monitor, with suffixes

	// What the start-host hook told while Start still waits: who to kill should it fail.
	hookedInit, hookedMonitor process
	hookedCPU                 time.Duration // of that init, which had yet to exec

	watched    bool          // the monitor's death will be seen
	asked      bool          // a stop or kill was asked for
	reported   bool          // the end of the present init was told to Exits
	unrebooted bool          // a reboot was asked for and failed
	dead       chan struct{} // closed when the present init is dead
	gone       chan struct{} // closed when the monitor is gone and the cgroups are swept
	grace      *time.Timer   // ends a monitor that does not end by itself
}

// monitorGrace is how long a monitor may clean up after its init died. Over it, it hangs: it is
// killed, and with it nothing but itself.
const monitorGrace = 15 * time.Second

// renew readies a run for another init, or for the first. The caller holds mu.
func (c *run) renew() {
	if c.grace != nil {
		c.grace.Stop()
	}
	c.dead, c.reported, c.phase = make(chan struct{}), false, phaseRunning
}

// watch makes the run one of a living init: whoever dies, init or monitor, is seen. It reports
// false when init is dead already.
func (r *Runtime) watch(c *run, init, monitor process) bool {
	fd, err := init.open()
	if err != nil {
		return false
	}
	payload, err := readPayload(r.layout(), init.pid)
	if err != nil {
		unix.Close(fd)
		return false
	}
	r.mu.Lock()
	first := !c.watched
	c.init, c.monitor, c.payload, c.watched = init, monitor, payload, true
	c.cgroups = append(monitorCgroups(payload.layout, monitor.pid), payload.all...)
	dead := c.dead
	r.mu.Unlock()
	if err := r.watcher.add(fd, func() { r.initDied(c, init, dead) }); err != nil {
		return false
	}
	if first {
		r.watchMonitor(c, monitor)
	}
	r.saveFacts(facts{c.id, c.name, r.boot, init.pid, init.start, monitor.pid, monitor.start})
	return true
}

func (r *Runtime) watchMonitor(c *run, monitor process) {
	fd, err := monitor.open()
	if err == nil {
		err = r.watcher.add(fd, func() { go r.monitorDied(c) })
	}
	if err != nil {
		go r.monitorDied(c)
	}
}

// initDied runs on the watcher's goroutine.
func (r *Runtime) initDied(c *run, init process, dead chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(dead)
	if c.init != init {
		return
	}
	if c.phase == phaseRunning {
		c.phase = phaseEnding
		if !c.asked { // whoever asked waits for it
			r.exits.put(Exit{ID: c.id, Target: TargetOpen, At: r.now()})
		}
	}
	monitor := c.monitor
	c.grace = time.AfterFunc(monitorGrace, func() { signalProcess(monitor, unix.SIGKILL) })
}

// monitorDied ends the run. The hooks of a monitor that ended well have been spooled by now.
func (r *Runtime) monitorDied(c *run) {
	r.readHooks()
	r.mu.Lock()
	init, dead, rebooting := c.init, c.dead, c.phase == phaseRebooting
	cgroups := append(leftovers(c.payload.layout, c.id), c.cgroups...)
	r.mu.Unlock()
	// An init without its monitor can't be stopped or rebooted; the kernel kills it with the
	// monitor (PR_SET_PDEATHSIG), unless it has run a setuid program since.
	signalProcess(init, unix.SIGKILL)
	<-dead
	sweep(cgroups)
	d := r.deathOf(c.name, init.pid, false)
	if rebooting {
		d = death{reason: "the reboot failed: " + r.logReason(c.name, 0)}
	}
	r.end(c, d)
}

// end takes a run off the books, once, and tells of it if nobody has yet.
func (r *Runtime) end(c *run, d death) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.phase == phaseOver {
		return
	}
	if c.grace != nil {
		c.grace.Stop()
	}
	c.unrebooted = c.phase == phaseRebooting
	if c.unrebooted {
		c.reported = false // what was told is a reboot; now it is a stop
	}
	if c.phase != phaseStarting && c.phase != phaseFailed {
		r.report(c, TargetStop, d)
	}
	c.phase = phaseOver
	if r.runs[c.id] == c {
		delete(r.runs, c.id)
		delete(r.cpus, c.id)
	}
	os.Remove(r.factsPath(c.id))
	r.dropRoot(c.id)
	close(c.gone)
}

// report tells of the end of the present init, once. The caller holds mu.
func (r *Runtime) report(c *run, target string, d death) {
	if c.reported {
		return
	}
	c.reported = true
	r.reason[c.id] = d.reason
	r.exits.put(Exit{ID: c.id, Target: target, At: r.now(), Reason: d.reason, Clean: d.clean,
		Asked: c.asked, Unrebooted: c.unrebooted})
}

// signalProcess sends a signal to exactly that process or to none.
func signalProcess(p process, signal unix.Signal) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, signal, nil, 0)
}
