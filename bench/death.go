package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/web/client"
)

// deaths measures how soon the agent knows of an init that died without being asked to. The death
// is what the kernel tells a pidfd of ours.
func (b *bench) deaths(ctx context.Context) error {
	w := b.viaAgent()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan time.Time, 100)
	go b.watchStops(ctx, stopped)
	for round := range b.rounds + 1 {
		name := b.name()
		if err := w.launch(ctx, name); err != nil {
			return err
		}
		if err := b.booted(ctx, w, name); err != nil {
			return err
		}
		for len(stopped) > 0 {
			<-stopped
		}
		state, event, err := b.deathOnce(ctx, name, stopped)
		if err != nil {
			return err
		}
		b.results.add("death-state", inAgent, round, state)
		b.results.add("death-event", inAgent, round, event)
		b.settled(name)
		time.Sleep(50 * time.Millisecond) // the agent writes down what happened
		if err := w.purge(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// deathOnce kills init and returns when the API and the event stream said so.
func (b *bench) deathOnce(ctx context.Context, name string, stopped <-chan time.Time) (state,
	event time.Duration, err error) {
	c, err := b.agent.client.Container(ctx, refOf(name))
	if err != nil {
		return 0, 0, err
	}
	fd, err := unix.PidfdOpen(c.Observed.InitPID, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("init of %s: %w", name, err)
	}
	defer unix.Close(fd)
	died := make(chan time.Time, 1)
	go func() {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for n := 0; n == 0; n, _ = unix.Poll(fds, 10000) {
		}
		died <- time.Now()
	}()
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return 0, 0, err
	}
	at := <-died
	for c.State == inventory.StateRunning {
		if c, err = b.agent.client.Container(ctx, refOf(name)); err != nil {
			return 0, 0, err
		}
	}
	state = time.Since(at)
	select {
	case told := <-stopped:
		return state, max(0, told.Sub(at)), nil
	case <-time.After(10 * time.Second):
		return 0, 0, fmt.Errorf("no event told of the end of %s", name)
	}
}

// watchStops passes on when the first event that a container is down arrived: stopping, which a
// death nobody asked for is at once, or stopped.
func (b *bench) watchStops(ctx context.Context, stopped chan<- time.Time) {
	for e, err := range b.agent.client.Events(ctx, client.EventQuery{After: -1, Type: "container.state"}) {
		if err != nil {
			return
		}
		var data struct{ State inventory.State }
		if json.Unmarshal(e.Data, &data) == nil && data.State != inventory.StateRunning {
			stopped <- time.Now()
		}
	}
}
