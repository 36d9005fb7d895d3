package lxc

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lodge/inventory"
)

// How long a proxy that ended is left alone before it is started again: longer each time, until it
// lived for tendLived.
const (
	tendFirst = 100 * time.Millisecond
	tendMost  = time.Minute
	tendLived = 5 * time.Minute
)

// A tended proxy is started again when its process ends before the container does.
type tended struct {
	mu sync.Mutex // held while it is attached, detached or started again

	// Guarded by Runtime.mu.
	restarts int       // tries since it last lived for tendLived
	next     time.Time // when it is tried again; zero while it runs
	started  time.Time
	reason   string // why the last try failed
}

// tend returns what is known of a proxy, by the container and the device.
func (r *Runtime) tend(id inventory.ContainerID, device string) *tended {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.proxies[id]
	if all == nil {
		all = map[string]*tended{}
		r.proxies[id] = all
	}
	if all[device] == nil {
		all[device] = &tended{}
	}
	return all[device]
}

// untend forgets a proxy that is meant to be no more.
func (r *Runtime) untend(id inventory.ContainerID, device string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.proxies[id], device); len(r.proxies[id]) == 0 {
		delete(r.proxies, id)
	}
}

// tendedOf says how the container's proxies are that had to be started again.
func (r *Runtime) tendedOf(id inventory.ContainerID) map[string]inventory.DeviceState {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out map[string]inventory.DeviceState
	for device, t := range r.proxies[id] {
		if t.restarts == 0 {
			continue
		}
		if out == nil {
			out = map[string]inventory.DeviceState{}
		}
		out[device] = inventory.DeviceState{Restarts: t.restarts, RestartAt: t.next, Reason: t.reason}
	}
	return out
}

// watchProxy has a proxy started again when its process ends.
func (r *Runtime) watchProxy(id inventory.ContainerID, device string, p process) {
	fd, err := p.open()
	if err == nil {
		err = r.watcher.add(fd, func() { go r.revive(id, device) })
	}
	if err != nil {
		go r.revive(id, device)
	}
}

// adoptProxies tends the proxies of a container that an agent before this one has left.
func (r *Runtime) adoptProxies(id inventory.ContainerID) {
	entries, err := os.ReadDir(filepath.Dir(r.proxyPath(id, "x")))
	if err != nil {
		return
	}
	for _, e := range entries {
		if f, alive := r.proxy(id, e.Name()); alive {
			r.watchProxy(id, e.Name(), process{f.PID, f.Start})
		} else {
			go r.revive(id, e.Name())
		}
	}
}

// revive starts a proxy again, later and later, until it runs, is meant to be no more, or its container
// has stopped: a start of the container brings it back.
func (r *Runtime) revive(id inventory.ContainerID, device string) {
	t := r.tend(id, device)
	for {
		select {
		case <-time.After(r.backOff(t)):
		case <-r.over:
			return
		}
		if r.reviveOnce(t, id, device) {
			return
		}
	}
}

// backOff notes the next try and returns how long it is till then.
func (r *Runtime) backOff(t *tended) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if lived := now.Sub(t.started); !t.started.IsZero() && lived >= tendLived {
		t.restarts = 0
	}
	t.started = time.Time{}
	wait := tendMost
	if t.restarts < 10 {
		wait = min(tendMost, tendFirst<<t.restarts)
	}
	t.next = now.Add(wait)
	return wait
}

// reviveOnce reports whether there is nothing more to do.
func (r *Runtime) reviveOnce(t *tended, id inventory.ContainerID, device string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := os.ReadFile(r.proxyPath(id, device))
	var f proxyFacts
	if err != nil || json.Unmarshal(text, &f) != nil {
		r.untend(id, device)
		return true
	}
	if (process{f.PID, f.Start}).isAlive() {
		return true // somebody was quicker
	}
	c, state := r.look(&inventory.Container{ID: id})
	switch {
	case state == inventory.StateStopped:
		r.untend(id, device)
		return true
	case !state.IsLive() || c.init.pid == f.Init && !c.init.isSame():
		return false // between two inits
	}
	ctx, cancel := context.WithTimeout(context.Background(), deviceTimeout)
	defer cancel()
	err = r.startProxy(ctx, c, f.Device)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.init.pid == f.Init || err != nil { // with a new init it is no try but a boot
		t.restarts++
	}
	if err != nil {
		t.reason = err.Error()
		r.log.Warn("a proxy can't be started again", "container", id, "device", device, "error", err)
		return false
	}
	t.reason, t.next, t.started = "", time.Time{}, r.now()
	return true
}
