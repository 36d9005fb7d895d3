package change

import (
	"context"
	"errors"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// tendPoll bounds how late an expired change is noticed, and the pause between two tries to begin
// one that found its container busy.
const tendPoll = time.Minute

// Release asks for a draft, and lets a change begin that has all it waited for, as its deadline does.
func (s *Service) Release(ctx context.Context, id inventory.ChangeID) (gate.Answer, error) {
	c, err := s.Store.Change(ctx, id)
	if err == nil && c.State != inventory.ChangeDraft {
		c, err = s.waiting(ctx, id)
	}
	if err != nil {
		return gate.Answer{}, err
	}
	return s.release(ctx, c)
}

// release hands a change to the gate. One that can't begin for now stays approved, and is tried
// again; one that can't any more is void.
func (s *Service) release(ctx context.Context, c inventory.Change) (gate.Answer, error) {
	answer, err := s.gate.Release(ctx, c, s.standing(ctx, c))
	if err == nil || c.State == inventory.ChangeDraft { // which stays one
		return answer, err
	}
	now, lost := s.Store.Change(ctx, c.ID)
	if lost != nil || !now.State.IsWaiting() { // somebody else was faster
		return gate.Answer{Change: &now}, errors.Join(lost)
	}
	if isPassing(err) {
		now.State, now.Note = inventory.ChangeApproved, err.Error()
		now, err = s.Store.UpdateChange(ctx, now)
		return gate.Answer{Change: &now}, err
	}
	now, err = s.end(ctx, now, inventory.ChangeVoid, err.Error(), "change.void", inventory.System("release"))
	return gate.Answer{Change: &now}, err
}

// isPassing reports whether what failed may work later by itself.
func isPassing(err error) bool {
	_, known := inventory.Kind(err)
	return !known || errors.Is(err, inventory.ErrBusy) || errors.Is(err, inventory.ErrUnavailable)
}

// Run tends the changes until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for tick := time.NewTicker(tendPoll); ; {
		if err := s.Tend(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("changes are looked after later", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// isDue reports whether a scheduled change need not wait any longer: a window may have gone.
func (s *Service) isDue(ctx context.Context, c inventory.Change) bool {
	at := s.opening(ctx, c, c.Missing)
	return at.IsZero() || !at.After(s.Now())
}

// Tend reminds of late reviews, ends what has expired, and lets begin what is approved and has not: its container was busy,
// or an agent died between the two.
func (s *Service) Tend(ctx context.Context) error {
	ctx = inventory.WithPrincipal(ctx, inventory.System("release"))
	late := s.remind(ctx)
	all, err := s.Store.WaitingChanges(ctx)
	err = errors.Join(err, late)
	for _, c := range all {
		var failed error
		switch {
		case s.Now().After(c.Plan.Expiry):
			_, failed = s.expire(ctx, c)
		case c.State == inventory.ChangeApproved, c.State == inventory.ChangeScheduled && s.isDue(ctx, c):
			_, failed = s.release(ctx, c)
		}
		if !errors.Is(failed, inventory.ErrStale) {
			err = errors.Join(err, failed)
		}
	}
	return err
}
