package main

import (
	"context"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc"
	"lodge/manager/pool"
)

// diskPoll is how old the disk use shown for a container may be. Measuring takes the pool a walk
// of its trees per container, too long for a list.
const diskPoll = 15 * time.Second

// measured adds to what the runtime observes at once the disk use, measured in the background, and
// what the restart policy and its hours are about to do.
type measured struct {
	*lxc.Runtime
	pools *pool.Service

	mu   sync.Mutex // guards disk
	disk map[inventory.ContainerID]inventory.Bytes

	// restarts is what the restart policy has done and will do about a container.
	restarts func(inventory.ContainerID) (tries int, next time.Time)
	// switching is when the hours of a container start or stop it next.
	switching func(inventory.ContainerID) (at time.Time, to inventory.Intent)
	// leaseWarned says whether a warning was given that the lease of a container ends.
	leaseWarned func(inventory.ContainerID) bool
}

func (m *measured) Observe(c *inventory.Container) inventory.Observed {
	o := m.Runtime.Observe(c)
	m.mu.Lock()
	o.Disk = m.disk[c.ID]
	m.mu.Unlock()
	o.Unbounded = !m.pools.Bounded(c.Pool, string(c.ID))
	o.Restarts, o.RestartAt = m.restarts(c.ID)
	// Whatever still runs from a lost pool has lost its disk: that it runs is no comfort.
	if why := m.pools.Lost(c.Pool); why != nil {
		o.State, o.Reason = inventory.StateError, why.Error()
	}
	o.SwitchAt, o.SwitchTo = m.switching(c.ID)
	o.LeaseWarned = m.leaseWarned(c.ID)
	return o
}

// measureDisks keeps the disk use of every container fresh until ctx ends.
func (a *Agent) measureDisks(ctx context.Context) {
	for tick := time.NewTicker(diskPoll); ; {
		if err := a.measureOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("disk use is not measured", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

func (a *Agent) measureOnce(ctx context.Context) error {
	all, err := a.store.ContainersOnHost(ctx, a.host.ID)
	if err != nil {
		return err
	}
	fresh := make(map[inventory.ContainerID]inventory.Bytes, len(all))
	for _, c := range all {
		if used, err := a.pools.Pool(c.Pool).Usage(ctx, string(c.ID)); err == nil { // one being made has no volume yet
			fresh[c.ID] = used
		}
	}
	a.measured.mu.Lock()
	a.measured.disk = fresh
	a.measured.mu.Unlock()
	return nil
}
