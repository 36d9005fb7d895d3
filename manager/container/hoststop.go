package container

import (
	"context"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
)

// HostStops stops every running container because the host goes down: those that come after others
// before these. Each has its stop.timeout, all of them have until ctx ends; what still runs then is killed.
// What they are meant to do is not touched, so the next boot starts them again.
//
// Without it the host's init would send every process SIGTERM, which an init in a container takes
// for something else, and kill all of them a minute and a half later.
func (s *Service) HostStops(ctx context.Context) error {
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	live := slices.DeleteFunc(all,
		func(c *inventory.Container) bool { return !s.Observer.State(c).IsLive() })
	waves, stuck := inventory.BootOrder(live)
	for _, wave := range slices.Backward(append(waves, stuck)) {
		var wg sync.WaitGroup
		for _, c := range wave {
			wg.Go(func() { s.hostStop(ctx, c) })
		}
		wg.Wait()
	}
	return nil
}

func (s *Service) hostStop(ctx context.Context, c *inventory.Container) {
	timeout := 30 * time.Second
	if text, err := s.value(ctx, c, "stop.timeout"); err == nil {
		if set, err := inventory.ParseDuration(text); err == nil {
			timeout = set
		}
	}
	result := "the host goes down"
	if err := s.Power.Stop(ctx, c, timeout, true); err != nil {
		// The next boot finds it dead in any case; now its files are still to be written back.
		if err = s.Power.Kill(context.WithoutCancel(ctx), c); err != nil {
			result = "the host goes down; " + err.Error()
		}
	}
	s.note(context.WithoutCancel(ctx), c, "container.hoststop", result)
}
