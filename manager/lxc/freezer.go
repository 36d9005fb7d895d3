package lxc

import (
	"context"
	"time"

	"lodge/inventory"
)

// freezePoll is how often a freezer that has no event to wait for is read.
const freezePoll = time.Millisecond

// frozen reports how far the freezer is: StateFrozen, StateFreezing or StateRunning.
func (p payload) frozen() inventory.State {
	if p.layout.isV1("freezer") {
		switch text, _ := p.read("freezer", "freezer.state"); text {
		case "FROZEN":
			return inventory.StateFrozen
		case "FREEZING":
			return inventory.StateFreezing
		}
		return inventory.StateRunning
	}
	if wanted, _ := p.read("", "cgroup.freeze"); wanted != "1" {
		return inventory.StateRunning
	}
	events, err := p.read("", "cgroup.events")
	if err == nil && field(events, "frozen") == 1 {
		return inventory.StateFrozen
	}
	return inventory.StateFreezing
}

// setFrozen freezes or thaws and waits until the kernel says it is done, or ctx ends. A process in
// uninterruptible sleep can hold a freeze up for as long as it sleeps.
func (p payload) setFrozen(ctx context.Context, freeze bool) error {
	if err := p.writeFreezer(freeze); err != nil {
		return err
	}
	want := inventory.StateRunning
	if freeze {
		want = inventory.StateFrozen
	}
	tick := time.NewTicker(freezePoll)
	defer tick.Stop()
	for p.frozen() != want {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		// The v1 freezer may miss a process that forks while it freezes; writing again goes on
		// where it stopped (freezer-subsystem.rst).
		if p.layout.isV1("freezer") {
			if err := p.writeFreezer(freeze); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p payload) writeFreezer(freeze bool) error {
	switch {
	case p.layout.isV1("freezer") && freeze:
		return p.write("freezer", "freezer.state", "FROZEN")
	case p.layout.isV1("freezer"):
		return p.write("freezer", "freezer.state", "THAWED")
	case freeze:
		return p.write("", "cgroup.freeze", "1")
	}
	return p.write("", "cgroup.freeze", "0")
}
