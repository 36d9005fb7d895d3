package lxc

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

const (
	// killTimeout bounds the wait for a killed init: only a process in uninterruptible sleep, on
	// broken storage say, takes longer than some milliseconds.
	killTimeout = 30 * time.Second
	// signalEvery is how often an init that may not have taken its halt signal yet gets it again.
	signalEvery = 50 * time.Millisecond
)

// Stop asks init to power off and returns when it is dead; the monitor cleans up behind. When init
// is not dead after timeout, it is killed if kill is true, else the container runs on and the error
// says so. A container that does not run is stopped already. A frozen one is thawed first.
func (r *Runtime) Stop(ctx context.Context, c *inventory.Container, timeout time.Duration,
	kill bool) error {
	run, dead := r.askEnd(c)
	if run == nil {
		return nil
	}
	halting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if run.payload.frozen() != inventory.StateRunning {
		if err := run.payload.setFrozen(halting, false); err != nil && !isClosed(dead) {
			r.unask(run)
			return inventory.Errorf(inventory.ErrState,
				"stop %s: it is frozen and can't be thawed: %v", c.Name, err)
		}
	}
	if halt(halting, run, r.haltSignal(c), dead) {
		return nil
	}
	if kill && ctx.Err() == nil {
		return r.Kill(ctx, c)
	}
	r.unask(run)
	if ctx.Err() != nil {
		return inventory.Errorf(inventory.ErrState,
			"stop %s: given up before it was down; it may still stop", c.Name)
	}
	return inventory.Errorf(inventory.ErrState,
		"stop %s: its init did not power off within %s; 'lodge stop --kill %s' ends it", c.Name, timeout, c.Name)
}

// Kill ends every process of the container at once: with init dead the kernel kills the whole pid
// namespace (pid_namespaces(7)). It returns when they are dead.
func (r *Runtime) Kill(ctx context.Context, c *inventory.Container) error {
	run, dead := r.askEnd(c)
	if run == nil {
		return nil
	}
	if err := signalProcess(run.init, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return inventory.Errorf(inventory.ErrUnavailable, "kill %s: %v", c.Name, err)
	}
	// A frozen process of cgroup v1 dies only once it is thawed.
	if run.payload.frozen() != inventory.StateRunning {
		run.payload.writeFreezer(false)
	}
	late := time.NewTimer(killTimeout)
	defer late.Stop()
	select {
	case <-dead:
		return nil
	case <-ctx.Done():
		return inventory.Errorf(inventory.ErrUnavailable,
			"kill %s: given up before it was dead: %v", c.Name, context.Cause(ctx))
	case <-late.C:
		return inventory.Errorf(inventory.ErrUnavailable,
			"kill %s: the kernel has not ended it within %s; a process inside waits for storage", c.Name, killTimeout)
	}
}

// askEnd marks the run's end as wanted. It returns nil when there is no init to end.
func (r *Runtime) askEnd(c *inventory.Container) (*run, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.runs[c.ID]
	if run == nil || run.phase == phaseOver || run.phase == phaseStarting || run.phase == phaseFailed {
		return nil, nil
	}
	run.asked = true
	copied := *run
	return &copied, run.dead
}

func (r *Runtime) unask(c *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.runs[c.id]; now != nil && now.gone == c.gone {
		now.asked = false
	}
}

// halt sends the signal until init takes it and waits for its death. An init that has not set itself
// up yet never sees a signal: the kernel drops those PID 1 has no use for.
func halt(ctx context.Context, c *run, signal unix.Signal, dead chan struct{}) bool {
	tick := time.NewTicker(signalEvery)
	defer tick.Stop()
	taken := false
	for {
		if !taken {
			// Before its exec, after a reboot say, it is liblxc with all signals blocked.
			taken = exeOf(c.init.pid) != exeOf(c.monitor.pid) && sendHalt(c.init, signal)
		}
		select {
		case <-dead:
			return true
		case <-ctx.Done():
			return isClosed(dead)
		case <-tick.C:
		}
	}
}

// sendHalt sends the halt signal and reports whether init is known to have taken it. One that waits
// in sigtimedwait(2), as busybox does, takes it and does not show: the kernel unblocks what is
// waited for. It is sent again, which an init on its way down does not mind. An init that knows no
// SIGPWR, a plain program, gets SIGTERM when it catches that; to real ones that means reboot.
func sendHalt(init process, signal unix.Signal) bool {
	taken := takes(init.pid, int(signal))
	if !taken && signal == unix.SIGPWR && takes(init.pid, int(unix.SIGTERM)) {
		signal, taken = unix.SIGTERM, true
	}
	return signalProcess(init, signal) == nil && taken
}

// haltSignal reads what Configure found out about the image's init.
func (r *Runtime) haltSignal(c *inventory.Container) unix.Signal {
	text, err := os.ReadFile(filepath.Join(r.dir(c), "config"))
	n, convErr := strconv.Atoi(configValue(text, "lxc.signal.halt"))
	if err != nil || convErr != nil {
		return unix.SIGPWR
	}
	return unix.Signal(n)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
