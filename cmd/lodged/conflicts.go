package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lodge/inventory"
	"lodge/network"
)

// followConflicts looks whether others answer for addresses of containers, and tells when that begins and
// when it is over.
func (a *Agent) followConflicts(ctx context.Context) {
	tick := time.NewTicker(network.ConflictTime)
	defer tick.Stop()
	known := map[network.Conflict]bool{}
	for {
		found, err := a.net.Conflicts(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Warn("who answers for addresses is not known", "error", err)
		}
		if err == nil {
			known = a.tellConflicts(ctx, known, found)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellConflicts notes what began and what ended, and returns what goes on.
func (a *Agent) tellConflicts(ctx context.Context, known map[network.Conflict]bool,
	found []network.Conflict) map[network.Conflict]bool {
	now := map[network.Conflict]bool{}
	for _, c := range found {
		now[c] = true
		if !known[c] {
			a.log.Warn("somebody else answers for a container's address", "container", c.Container.String(),
				"address", c.IP.String(), "network", c.Network, "mac", c.MAC)
			a.noteConflict(ctx, "address.conflict", c)
		}
	}
	for c := range known {
		if !now[c] {
			a.noteConflict(ctx, "address.conflict.over", c)
		}
	}
	return now
}

func (a *Agent) noteConflict(ctx context.Context, kind string, c network.Conflict) {
	data, _ := json.Marshal(map[string]string{"ip": c.IP.String(), "network": c.Network, "mac": c.MAC}) // strings can't fail
	e := inventory.Event{Type: kind, Name: c.Container.Name, Project: c.Container.Project, Data: data}
	if err := a.store.AppendEvent(ctx, e); err != nil {
		a.log.Error("an event was not kept", "type", kind, "error", err)
	}
}

// conflictStrays asks again, and says so in the words of strays.
func (a *Agent) conflictStrays(ctx context.Context) (out []inventory.Stray, err error) {
	if a.net == nil { // lodged recover looks after no network
		return nil, nil
	}
	found, err := a.net.Conflicts(ctx)
	for _, c := range found {
		out = append(out, inventory.Stray{Kind: inventory.StrayAnswer, Name: c.IP.String(),
			Detail: fmt.Sprintf("%s answers for it on network %s, and it is %s's", c.MAC, c.Network, c.Container),
			Advice: "give the machine with that MAC another address; 'lodge address reserve' keeps addresses of others from containers"})
	}
	return out, err
}
