package container

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	// bootWidth is how many containers start at once.
	bootWidth = 4
	// bootPatience is how long a container that is to start at boot may be busy with what an
	// earlier agent left.
	bootPatience = 10 * time.Minute
)

// Adopt finds every container when the agent starts, and returns those that are down although
// nobody stopped them.
func (s *Service) Adopt(ctx context.Context) (down []*inventory.Container, err error) {
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	known, err := s.Observer.Adopt(ctx, all)
	return slices.DeleteFunc(all,
		func(c *inventory.Container) bool { return known[c.ID] || !s.isDown(c) }), err
}

// Revive applies the restart policy to what died while nobody watched, or after a boot of the host
// starts what was running, in boot order and in the background. What earlier agents left unfinished
// has to be taken up before: what begins here is not theirs.
//
// booted is nil unless the host has booted; it is called when everything was started. An agent that
// dies before that leaves it to the next one: this is what makes the difference between a container
// that died and one whose host was off.
func (s *Service) Revive(ctx context.Context, down []*inventory.Container, booted func()) {
	if booted != nil {
		go func() {
			if s.bootAll(ctx, down); ctx.Err() == nil {
				booted()
			}
		}()
		return
	}
	for _, c := range down {
		s.unlessBusy(ctx, c, func(c *inventory.Container) {
			s.afterDeath(ctx, c, Exit{Container: c.ID, At: s.Now(), Reason: "it ended while no agent ran"})
		})
	}
}

// bootAll starts what was running before the host booted, each as soon as what it comes after is
// ready. Those that wait hold up nobody but what comes after them.
func (s *Service) bootAll(ctx context.Context, down []*inventory.Container) {
	ctx = inventory.WithPrincipal(ctx, inventory.System(bootProof))
	waves, stuck := inventory.BootOrder(down)
	for _, c := range stuck {
		s.note(ctx, c, "container.unbooted",
			"it comes after itself in a circle of 'after'; start it by hand")
	}
	slots := make(chan struct{}, bootWidth)
	ended := map[string]chan struct{}{} // by reference; closed when that start has ended
	var wg sync.WaitGroup
	for _, c := range slices.Concat(waves...) {
		var before []chan struct{}
		for _, d := range c.Dependencies() {
			if other := ended[inventory.Ref{Project: c.Project, Name: d.Name}.String()]; other != nil {
				before = append(before, other)
			}
		}
		done := make(chan struct{})
		ended[c.Ref().String()] = done
		wg.Go(func() {
			defer close(done)
			for _, other := range before {
				<-other
			}
			if err := s.bootAfter(ctx, c, slots); err != nil && ctx.Err() == nil {
				s.note(ctx, c, "container.unbooted", err.Error())
			}
		})
	}
	wg.Wait()
}

// bootAfter starts one container when what it comes after is ready, or after.timeout is over.
func (s *Service) bootAfter(ctx context.Context, c *inventory.Container, slots chan struct{}) error {
	missing, err := s.awaitAfter(ctx, c, func(string) {})
	if err != nil {
		return err
	}
	if missing != "" {
		s.note(ctx, c, "container.unready", missing)
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	return s.bootOne(ctx, c)
}

// bootOne starts one container. What an earlier agent was doing to it when the host went down comes
// first, and may make the start needless.
func (s *Service) bootOne(ctx context.Context, c *inventory.Container) error {
	ref := inventory.Ref{Name: string(c.ID)}
	start := gate.Request{Verb: startVerb, Ref: ref, Reason: "the host booted"}
	if now, err := s.Store.Container(ctx, ref); err == nil && !s.isDown(now) { // decided on while it waited
		return nil
	}
	answer, err := s.gate.Begin(ctx, start)
	for until := time.Now().Add(bootPatience); isPassing(err) && time.Now().Before(until) && ctx.Err() == nil; {
		time.Sleep(busyPause)
		if now, err := s.Store.Container(ctx, ref); errors.Is(err,
			inventory.ErrNotFound) || err == nil && !s.isDown(now) {
			return nil
		}
		answer, err = s.gate.Begin(ctx, start)
	}
	if err != nil || answer.Operation == nil {
		return err
	}
	op, err := s.gate.Wait(ctx, answer.Operation.ID)
	if err == nil && op.State.IsEnded() && op.State != inventory.OperationDone {
		err = errors.New(op.Error)
	}
	return err
}

// isPassing reports whether a refusal is over when the operation in the way has ended.
func isPassing(err error) bool {
	return errors.Is(err, inventory.ErrBusy) || errors.Is(err, inventory.ErrStale)
}
