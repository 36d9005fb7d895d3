package lxc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// startTimeout bounds the helper; a start takes some ten milliseconds, or seconds when AppArmor has
// to compile a profile on a busy host.
const startTimeout = time.Minute

// Start starts the container with the configuration Configure wrote and returns when its init runs.
// A container that runs already is left as it is. It waits for the clean-up after an earlier run.
// The error of a start that failed holds the reason from liblxc's log, and nothing of the start is
// left behind.
func (r *Runtime) Start(ctx context.Context, b inventory.Boot) error {
	c := b.Container
	if err := areUsable(c.Devices...); err != nil {
		return err
	}
	run, err := r.begin(ctx, c)
	if err != nil || run == nil {
		return err
	}
	r.letPass()
	sweep(leftovers(r.layout(), run.id)) // as a rule there is nothing
	offset := rotateLog(r.logFile(c))
	began := r.now()
	if err := r.launch(ctx, run, b); err != nil {
		r.abandon(run)
		return r.startError(c, offset, err)
	}
	launched := r.now()
	if err := r.prove(run); err != nil {
		r.abandon(run)
		return r.startError(c, offset, err)
	}
	r.log.Debug("container started", "container", c.ID, "helper", launched.Sub(began), "init",
		r.now().Sub(launched))
	return r.startDevices(ctx, b)
}

// begin registers a run; nil without an error says that there is one already.
func (r *Runtime) begin(ctx context.Context, c *inventory.Container) (*run, error) {
	if r.watcher == nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"start %s: the agent can't watch containers; its log says why", c.Name)
	}
	for {
		r.mu.Lock()
		old := r.runs[c.ID]
		if old == nil {
			run := &run{id: c.ID, name: c.LXCName(), dead: make(chan struct{}), gone: make(chan struct{})}
			r.runs[c.ID] = run
			delete(r.reason, c.ID)
			r.mu.Unlock()
			return run, nil
		}
		phase, gone := old.phase, old.gone
		r.mu.Unlock()
		switch phase {
		case phaseRunning:
			return nil, nil
		case phaseStarting, phaseRebooting:
			return nil, inventory.Errorf(inventory.ErrBusy, "start %s: it is starting already", c.Name)
		}
		select {
		case <-gone:
		case <-ctx.Done():
			return nil, inventory.Errorf(inventory.ErrBusy,
				"start %s: its last run is still being cleaned up", c.Name)
		}
	}
}

// launch runs the helper and begins to watch what it started.
func (r *Runtime) launch(ctx context.Context, c *run, b inventory.Boot) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	root, err := r.rootArgs(b)
	if err != nil {
		return err
	}
	args := append([]string{"start", c.name, r.lxcpath,
		filepath.Join(r.dir(b.Container), "config")}, root...)
	var started struct {
		InitPID    int    `json:"init_pid"`
		MonitorPID int    `json:"monitor_pid"`
		Error      string `json:"error"`
	}
	if err := r.runHelper(ctx, "start-"+string(c.id), &started, args...); err != nil {
		return err
	}
	if started.Error != "" {
		return errors.New(started.Error)
	}
	init, ok := lookUp(started.InitPID)
	monitor, alive := lookUp(started.MonitorPID)
	if !ok || !alive || !r.watch(c, init, monitor) {
		return errInitDied
	}
	return r.applyUnified(c, b)
}

var errInitDied = errors.New("its init ended at once")

// runHelper runs lodge-lxc with a time limit and reads its answer. The output goes to memory files,
// which can't fill up and hold no reader back when something the helper started keeps them open.
func (r *Runtime) runHelper(ctx context.Context, name string, answer any, args ...string) error {
	stdout, err := memoryFile("lodge-lxc-out")
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := memoryFile("lodge-lxc-err")
	if err != nil {
		return err
	}
	defer stderr.Close()
	if err := r.starter.Run(ctx, name, append([]string{r.helper}, args...), stdout, stderr); err != nil {
		return err
	}
	if err := json.NewDecoder(io.NewSectionReader(stdout, 0, 1<<20)).Decode(answer); err != nil {
		text, _ := io.ReadAll(io.NewSectionReader(stderr, 0, 4<<10))
		return inventory.Errorf(inventory.ErrUnavailable, "lodge-lxc %s gave no answer: %s",
			args[0], bytes.TrimSpace(text))
	}
	return nil
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// abandon removes all a failed start has left: an init, a monitor, cgroups.
func (r *Runtime) abandon(c *run) {
	r.readHooks()
	r.mu.Lock()
	c.phase = phaseFailed
	doomed := []process{c.init, c.hookedInit, c.monitor, c.hookedMonitor}
	watched := c.watched
	r.mu.Unlock()
	if monitor, ok := findMonitors(r.lxcpath)[c.name]; ok {
		doomed = append(doomed, monitor)
	}
	for _, p := range doomed {
		if p.pid != 0 {
			signalProcess(p, unix.SIGKILL)
		}
	}
	if watched {
		return // monitorDied sweeps and ends the run
	}
	go func() {
		sweep(leftovers(r.layout(), c.id))
		r.end(c, death{})
	}()
}

func (r *Runtime) startError(c *inventory.Container, offset int64, err error) error {
	kind := inventory.ErrUnavailable
	if k, ok := inventory.Kind(err); ok {
		kind = k.Err
	}
	if reason := r.deviceReason(c.ID); reason != nil {
		return inventory.Errorf(kind, "start %s: %v", c.Name, reason)
	}
	if reason := r.logReason(c.LXCName(), offset); reason != "" {
		return inventory.Errorf(kind, "start %s: %v: %s", c.Name, err, reason)
	}
	return inventory.Errorf(kind, "start %s: %v", c.Name, err)
}

// layout is where the host has its cgroup controllers now.
func (r *Runtime) layout() hierarchies {
	h, err := hostHierarchies()
	if err != nil {
		r.log.Error("the cgroup layout can't be read", "err", err)
	}
	return h
}
