package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"lodge/inventory"
	"lodge/manager/image"
)

// hostKeysTime is how often host keys are looked at: a container makes new ones when it likes.
const hostKeysTime = 10 * time.Second

// followHostKeys keeps the SSHFP records what the containers' root file systems say, until ctx ends.
func (a *Agent) followHostKeys(ctx context.Context) {
	tick := time.NewTicker(hostKeysTime)
	defer tick.Stop()
	for {
		if err := a.publishHostKeys(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, inventory.ErrUnavailable) {
			a.log.Warn("SSH host keys are not published", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *Agent) publishHostKeys(ctx context.Context) error {
	all, err := a.store.ContainersOnHost(ctx, a.host.ID)
	if err != nil {
		return err
	}
	keys := map[netip.Addr][]string{}
	for _, c := range all {
		if c.IsTrashed() || len(c.NICs) == 0 {
			continue
		}
		// One that can't be read now, as its pool is away, has no records until it can.
		found, err := image.SSHFP(a.pools.Pool(c.Pool).Path(string(c.ID)))
		if err != nil {
			continue
		}
		for _, nic := range c.NICs {
			keys[nic.IPv4] = found
		}
	}
	return a.net.PublishHostKeys(ctx, keys)
}
