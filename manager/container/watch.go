package container

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	// busyPause is between two looks at an operation that is not resumed yet.
	busyPause = 50 * time.Millisecond
)

// An Exit is an init that ended, or was replaced by the container's own reboot.
type Exit struct {
	Container inventory.ContainerID
	Open      bool // init is dead; what that leads to comes as another Exit
	Rebooted  bool
	Asked     bool // the agent stopped it
	Clean     bool // it is proved to have powered itself off, as opposed to dying
	// Unrebooted: it asked for a reboot and did not come back; see manager/lxc.
	Unrebooted bool
	At         time.Time
	Reason     string // for people: "init was killed by signal 9"
}

// Exited deals with an init that ended. One that the agent stopped itself is no news.
func (s *Service) Exited(ctx context.Context, e Exit) {
	c, err := s.Store.Container(ctx, inventory.Ref{Name: string(e.Container)})
	if err != nil {
		s.Log.Warn("an unknown container's init ended", "container", e.Container, "error", err)
		return
	}
	if e.Open {
		s.changed(c, inventory.StateStopping, "")
		return
	}
	if e.Rebooted {
		s.note(ctx, c, "container.reboot", e.Reason)
		s.changed(c, inventory.StateRunning, "")
		return
	}
	s.changed(c, inventory.StateStopped, "")
	if !e.Asked && s.isDown(c) {
		s.unlessBusy(ctx, c, func(c *inventory.Container) { s.afterDeath(ctx, c, e) })
	}
}

// isDown reports whether c should be running and is not.
func (s *Service) isDown(c *inventory.Container) bool {
	return c.Intent == inventory.IntentRun && !c.IsTrashed() && !s.Observer.State(c).IsLive()
}

// unlessBusy does something about a container that is down: at once, or, while an operation works
// on it, when that has ended and the container is still down. What the intent is then, the
// operation decides: one that an earlier agent left may yet be undone.
func (s *Service) unlessBusy(ctx context.Context, c *inventory.Container, do func(*inventory.Container)) {
	s.whenIdle(ctx, c, func(c *inventory.Container) {
		if s.isDown(c) {
			do(c)
		}
	})
}

// whenIdle does something about a container when no operation works on it: at once, or when that has
// ended, with the container as it is then.
func (s *Service) whenIdle(ctx context.Context, c *inventory.Container, do func(*inventory.Container)) {
	all, err := s.Store.Unfinished(ctx, s.Host)
	if err != nil {
		s.Log.Error("operations can't be read", "error", err)
	}
	i := slices.IndexFunc(all, func(op inventory.Operation) bool { return op.Container == c.ID })
	if i < 0 {
		do(c)
		return
	}
	go func() {
		for !all[i].State.IsEnded() && err == nil && ctx.Err() == nil {
			all[i], err = s.gate.Wait(ctx, all[i].ID)
			time.Sleep(busyPause) // one that is not resumed yet is not waited for
		}
		if c, err := s.Store.Container(ctx, inventory.Ref{Name: string(c.ID)}); err == nil {
			do(c)
		}
	}()
}

// Rebooted brings a container that has rebooted itself to its present settings: its monitor gives the
// new init what held at the last start.
func (s *Service) Rebooted(ctx context.Context, id inventory.ContainerID) {
	c, err := s.Store.Container(ctx, inventory.Ref{Name: string(id)})
	if err != nil {
		s.Log.Warn("an unknown container rebooted", "container", id, "error", err)
		return
	}
	s.whenIdle(ctx, c, func(c *inventory.Container) { s.refresh(ctx, c) })
}

// refresh gives a container that has booted by itself all of its desired state.
func (s *Service) refresh(ctx context.Context, to *inventory.Container) {
	var live []string
	for name, set := range s.Config.Settings {
		if set.Effect == inventory.EffectLive {
			live = append(live, name)
		}
	}
	if err := s.Reapply(ctx, to, live); err != nil {
		s.Log.Error("after its reboot a container has the limits of its last start", "name", to.Name,
			"error", err)
	}
	defer s.lockDevices(to.ID)()
	// An operation may have begun since and have taken a device away: what is desired now counts.
	now, err := s.Store.Container(ctx, inventory.Ref{Name: string(to.ID)})
	if err == nil {
		err = s.changeDevices(ctx, &inventory.Container{}, now)
	}
	if err != nil {
		s.Log.Error("after its reboot a container lacks a device", "name", to.Name, "error", err)
	}
}

// afterDeath applies the restart policy to a container that should be running and is not.
func (s *Service) afterDeath(ctx context.Context, c *inventory.Container, e Exit) {
	late := s.takeLate(c.ID)
	if e.Unrebooted || late { // whoever rebooted it wants it to run, whatever the policy
		e.Reason = "it rebooted itself"
		if late {
			e.Reason = "it stopped after it was no more to"
		}
		s.restartLater(ctx, c, e, 0)
		return
	}
	verb := "container.died"
	if e.Clean {
		verb = "container.poweroff"
	}
	s.note(ctx, c, verb, e.Reason)
	policy, err := s.value(ctx, c, "restart.policy")
	if err != nil {
		s.Log.Error("restart policy", "name", c.Name, "error", err)
		return
	}
	if policy == "always" || policy == "on-failure" && !e.Clean {
		s.restartLater(ctx, c, e, firstPause)
		return
	}
	s.settle(ctx, c, e.Reason)
}

// settle writes down that the container is meant to be stopped, because it stopped by itself.
func (s *Service) settle(ctx context.Context, c *inventory.Container, why string) {
	ctx = inventory.WithPrincipal(ctx, inventory.System("restart policy"))
	_, err := s.gate.Begin(ctx, gate.Request{Verb: "container.stop",
		Ref: inventory.Ref{Name: string(c.ID)}, Reason: why})
	if err != nil && !errors.Is(err, inventory.ErrBusy) { // busy: somebody is deciding about it right now
		s.Log.Error("a container that stopped by itself can't be written down as stopped", "name",
			c.Name, "error", err)
	}
}

// note writes a fact about the container to the audit journal and the event stream.
func (s *Service) note(ctx context.Context, c *inventory.Container, verb, text string) {
	s.Log.Info(verb, "name", c.Name, "reason", text)
	err := s.gate.Fact(ctx, inventory.Record{Verb: verb, Principal: inventory.System("watch"),
		Subject: "container:" + string(c.ID), Name: c.Name, Project: c.Project, Result: text})
	if err != nil {
		s.Log.Error("a fact is not in the audit journal", "verb", verb, "name", c.Name, "error", err)
	}
	data, _ := json.Marshal(map[string]string{"reason": text})
	s.Store.AppendEvent(ctx, inventory.Event{At: s.Now(), Type: verb, Container: c.ID, Name: c.Name,
		Project: c.Project, Data: data})
}
