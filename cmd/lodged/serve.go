package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/systemd"
)

const (
	// closeTimeout is how long running operations may take to end when the agent stops. What is
	// unfinished then, the next agent takes up.
	closeTimeout = 20 * time.Second
	// hostStopWait is how long PID 1, busy with a shutdown, may take to say that there is one. It is
	// asked while operations end; a slow host needs more than some seconds.
	hostStopWait = 30 * time.Second
	// hostStopTimeout is how long the containers may take to stop when the host goes down; the
	// unit's TimeoutStopSec is longer than both together.
	hostStopTimeout = 100 * time.Second
)

// Serve takes over what runs, opens the door and works until ctx ends.
func (a *Agent) Serve(ctx context.Context) error {
	if err := a.takeOver(ctx); err != nil {
		return err
	}
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	server := a.door.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := a.openSSH(ctx); err != nil {
		return err
	}
	a.fact(ctx, "agent.start", "version "+version)
	a.notify(systemd.Ready())
	a.log.Info("ready", "socket", a.Socket, "root", a.Root, "version", version)
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	a.notify(systemd.Stopping())
	return errors.Join(ignoreClosed(err), a.shutDown(server))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutDown closes the door, then waits for operations. Containers run on, unless the host goes down.
func (a *Agent) shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	hostStops := make(chan bool, 1)
	go func() { hostStops <- a.isHostStopping() }()
	a.gate.Close(ctx)
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if server.Shutdown(short) != nil {
		server.Close()
	}
	if <-hostStops {
		a.stopForHost()
	}
	a.fact(ctx, "agent.stop", "")
	return nil
}

// isHostStopping is false when systemd can't say: containers that go on are never stopped by mistake.
func (a *Agent) isHostStopping() bool {
	ctx, cancel := context.WithTimeout(context.Background(), hostStopWait)
	defer cancel()
	stops, err := systemd.IsHostStopping(ctx)
	if err != nil {
		a.log.Warn("containers are left running", "error", err)
	}
	return stops
}

func (a *Agent) stopForHost() {
	a.log.Info("the host goes down: stopping every container")
	ctx, cancel := context.WithTimeout(context.Background(), hostStopTimeout)
	defer cancel()
	if err := a.container.HostStops(ctx); err != nil {
		a.log.Error("containers are left to the host's shutdown", "error", err)
	}
}

// takeOver finds what earlier agents left: networks, running containers, half-done operations,
// sessions.
func (a *Agent) takeOver(ctx context.Context) error {
	networks, err := a.store.Networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		err := a.net.Ensure(ctx, n)
		if errors.Is(err, inventory.ErrUnavailable) {
			// What runs is looked after all the same; no container starts without its rules.
			a.log.Error("a network has no rules; trying again", "network", n.Name, "error", err)
		} else if errors.Is(err, inventory.ErrNotFound) {
			a.log.Error("a network is cut off", "network", n.Name, "error", err)
		} else if err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	if err := a.net.StartRole(ctx); err != nil { // it is tried again in the background
		a.log.Error("names are not answered now", "error", err)
	}
	if err := a.container.GuardAll(ctx); err != nil {
		a.log.Error("containers may forge addresses", "error", err)
	}
	if err := a.records.Publish(ctx); err != nil {
		a.log.Warn("added records are published later", "error", err)
	}
	if err := a.container.Publish(ctx); err != nil {
		a.log.Warn("names are published later", "error", err)
	}
	booted, err := a.newBoot(ctx)
	if err != nil {
		return err
	}
	down, err := a.container.Adopt(ctx)
	if err != nil {
		return err
	}
	if err := a.pools.ThawLeft(ctx); err != nil {
		a.log.Error("a container may stay frozen", "error", err)
	}
	if err := a.sessions.Adopt(ctx); err != nil {
		return err
	}
	go a.endSessions(ctx, func(s inventory.Session) bool {
		return a.runtime.State(&inventory.Container{ID: s.Container}) == inventory.StateStopped
	})
	if err := a.sweepImages(ctx); err != nil {
		a.log.Warn("left over uploads are kept", "error", err)
	}
	if err := cmp.Or(a.attest(ctx), a.tellUnknown(ctx)); err != nil {
		return err
	}
	if err := a.gate.Resume(ctx); err != nil {
		return err
	}
	a.container.Revive(ctx, down, booted)
	a.work(ctx)
	return nil
}

// sweepImages removes the uploads and half-made images nothing needs any more.
func (a *Agent) sweepImages(ctx context.Context) error {
	left, err := a.store.Unfinished(ctx, a.host.ID)
	if err != nil {
		return err
	}
	waiting, err := a.store.Changes(ctx, store.ChangeQuery{Verb: "image.import",
		States: []inventory.ChangeState{inventory.ChangeDraft, inventory.ChangeSubmitted, inventory.ChangeApproved, inventory.ChangeScheduled}})
	if err != nil {
		return err
	}
	return a.images.Sweep(left, waiting)
}

// newBoot returns nil unless the host has booted since an agent last started everything on this
// root, and else what notes that it is done.
func (a *Agent) newBoot(ctx context.Context) (done func(), err error) {
	last, _, err := a.store.Meta(ctx, "boot")
	if err != nil || last == a.boot {
		return nil, err
	}
	return func() {
		if err := a.store.SetMeta(context.WithoutCancel(ctx), "boot", a.boot); err != nil {
			a.log.Error("the next agent will start all containers as after a boot", "error", err)
		}
	}, nil
}

// fact writes about the agent itself to the audit journal.
func (a *Agent) fact(ctx context.Context, verb, text string) {
	err := a.gate.Fact(context.WithoutCancel(ctx),
		inventory.Record{Verb: verb, Principal: inventory.System("agent"),
			Subject: "host:" + string(a.host.ID), Name: a.host.Name, Result: text})
	if err != nil {
		a.log.Error("a fact is not in the audit journal", "verb", verb, "error", err)
	}
}

// notify logs that systemd could not be told; that is no reason to stop.
func (a *Agent) notify(err error) {
	if err != nil {
		a.log.Warn("systemd was not told", "error", err)
	}
}
