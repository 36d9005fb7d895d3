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
	// bootWidth is how many containers of one wave start at once.
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

// bootAll starts what was running before the host booted: wave by wave, in parallel within one.
func (s *Service) bootAll(ctx context.Context, down []*inventory.Container) {
	ctx = inventory.WithPrincipal(ctx, inventory.System("boot"))
	waves, stuck := inventory.BootOrder(down)
	for _, c := range stuck {
		s.note(ctx, c, "container.unbooted",
			"it comes after itself in a circle of 'after'; start it by hand")
	}
	for _, wave := range waves {
		s.bootWave(ctx, wave)
	}
}

func (s *Service) bootWave(ctx context.Context, wave []*inventory.Container) {
	slots := make(chan struct{}, bootWidth)
	var wg sync.WaitGroup
	for _, c := range wave {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.bootOne(ctx, c); err != nil && ctx.Err() == nil {
				s.note(ctx, c, "container.unbooted", err.Error())
			}
		})
	}
	wg.Wait()
}

// bootOne starts one container. What an earlier agent was doing to it when the host went down comes
// first, and may make the start needless.
func (s *Service) bootOne(ctx context.Context, c *inventory.Container) error {
	ref := inventory.Ref{Name: string(c.ID)}
	start := gate.Request{Verb: startVerb, Ref: ref, Reason: "the host booted"}
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
