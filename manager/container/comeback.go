package container

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Some verbs stop a container on the way to something else. When that fails, what ran has to run
// again: a failed operation changes nothing, and least of all does it leave a service down.

// What the steps of such a verb remember.
const (
	ranKey     = "ran"     // whether the container ran before
	haltingKey = "halting" // its init was asked to stop and had not when the step gave up
)

// lateStop is how long after a stop was given up an end of init still counts as that stop.
const lateStop = 10 * time.Minute

// noteRan remembers whether the container runs. In a step that runs again it may have been stopped
// by the first try, and then what it was meant to do tells.
func (s *Service) noteRan(r *gate.Run) error {
	return r.Save(ranKey, s.Observer.State(r.Before).IsLive() ||
		r.Resumed && r.Before.Intent == inventory.IntentRun)
}

func ran(r *gate.Run) (yes bool) {
	r.Load(ranKey, &yes)
	return yes
}

// stopGracefully stops what runs: by its init within c's stop.timeout, then by force.
func (s *Service) stopGracefully(ctx context.Context, r *gate.Run, c *inventory.Container) error {
	if err := s.noteRan(r); err != nil {
		return err
	}
	text, err := s.value(ctx, c, "stop.timeout")
	if err != nil {
		return err
	}
	timeout, err := inventory.ParseDuration(text)
	if err != nil {
		return err
	}
	return s.stopWithin(ctx, r, timeout, true)
}

// startBack undoes the stop of a container that ran: it is as before the operation, and runs. Where
// it can't be started the error says so, and the restart policy goes on trying.
func (s *Service) startBack(ctx context.Context, r *gate.Run) error {
	c := r.Before
	if !ran(r) {
		return nil
	}
	if s.Observer.State(c).IsLive() {
		if halting := false; r.Load(haltingKey, &halting) && halting {
			s.expectLate(c.ID)
		}
		return nil
	}
	if err := s.configureAs(ctx, c); err != nil { // then what the last start was made from has to do
		r.Log.Warn("the configuration is left as it is", "error", err)
	}
	b, err := s.boot(ctx, c)
	if err == nil {
		err = s.powerOn(ctx, b)
	}
	if err != nil {
		s.retry(ctx, c, err)
		return inventory.Errorf(inventory.ErrUnavailable, "%s ran before and is down now: %v", c.Ref(),
			err)
	}
	s.changed(c, inventory.StateRunning, r.Operation.ID)
	return nil
}

// expectLate notes that a container's init may still end because of a stop that was given up,
// though the container is to run: then it is started again.
func (s *Service) expectLate(id inventory.ContainerID) {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	s.late[id] = s.Now()
}

// takeLate reports whether an end of init that comes now is such a late one.
func (s *Service) takeLate(id inventory.ContainerID) bool {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	at, ok := s.late[id]
	delete(s.late, id)
	return ok && s.Now().Sub(at) < lateStop
}
