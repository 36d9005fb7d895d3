package lease

import (
	"context"
	"errors"
	"strings"
	"time"

	"lodge/inventory"
)

const (
	stopVerb   = "container.stop"
	deleteVerb = "container.delete"
	// poll bounds how late a warning is given, or a clock that was set is noticed.
	poll = 30 * time.Second
	// settle is how long a change waits for others before the leases are looked at.
	settle = time.Second
	// retry is the pause before an end that failed is asked for again.
	retry = time.Hour
)

// An end is one clock of a container that is still to act.
type end struct {
	container *inventory.Container
	clock     inventory.Clock
	at        time.Time
	verb      string
	reason    string
}

// ends are those of a container. What has followed already has none.
func ends(c *inventory.Container) (all []end) {
	if c.IsTrashed() {
		return nil
	}
	if !c.RunUntil.IsZero() && c.Intent == inventory.IntentRun {
		all = append(all, end{c, inventory.ClockRun, c.RunUntil, stopVerb, "its run lease ended"})
	}
	if !c.ExpiresAt.IsZero() {
		all = append(all, end{c, inventory.ClockKeep, c.ExpiresAt, deleteVerb, "its lease ended"})
	}
	return all
}

// Keep looks at the leases whenever poked, and from time to time, until ctx ends.
func (s *Service) Keep(ctx context.Context, poked <-chan struct{}) {
	for tick := time.NewTicker(poll); ; {
		if err := s.Look(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("leases don't end now", "error", err)
		}
		select {
		case <-tick.C:
		case <-poked:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			tick.Stop()
			return
		}
	}
}

// Look gives every lease its deadlines and warnings, and takes away deadlines that are not right any
// more.
func (s *Service) Look(ctx context.Context) error {
	all, err := s.Store.Leased(ctx, s.Host)
	if err != nil {
		return err
	}
	waiting, err := s.Store.AllWaiting(ctx, inventory.LeasePrincipal)
	if err != nil {
		return err
	}
	rules, warned, given, now := map[string]inventory.LeaseRules{}, map[inventory.ContainerID]bool{}, map[warning]bool{}, s.Now()
	right := map[inventory.DeadlineID]bool{}
	for _, c := range all {
		if _, ok := rules[c.Project]; !ok {
			if rules[c.Project], err = s.Rules.LeaseRules(ctx, c.Project); err != nil {
				return err
			}
		}
		for _, e := range ends(c) {
			if err := s.schedule(ctx, e, waiting, right); err != nil {
				return err
			}
			before, due := rules[c.Project].Warned(e.at.Sub(now))
			if !due {
				continue
			}
			warned[c.ID] = true
			if e.at.After(now) {
				if err := s.warn(ctx, e, before, given); err != nil {
					return err
				}
			}
		}
	}
	s.mu.Lock()
	s.warned, s.given = warned, given
	s.mu.Unlock()
	return s.letGo(ctx, waiting, right)
}

// A warning tells one from others, however often it is looked at.
type warning struct {
	container inventory.ContainerID
	clock     inventory.Clock
	until     int64 // unix seconds
	before    time.Duration
}

// warn gives a warning unless this agent knows that it was given, and adds it to those.
func (s *Service) warn(ctx context.Context, e end, before time.Duration, given map[warning]bool) error {
	w := warning{e.container.ID, e.clock, e.at.Unix(), before}
	given[w] = true
	s.mu.Lock()
	known := s.given[w]
	s.mu.Unlock()
	if known {
		return nil
	}
	return s.Store.NoteLeaseWarning(ctx, inventory.LeaseWarning{Container: e.container.ID, Clock: e.clock, Until: e.at,
		Before: before, At: s.Now()})
}

// schedule finds or makes the deadline of an end, and marks it as right.
func (s *Service) schedule(ctx context.Context, e end, waiting []inventory.Deadline, right map[inventory.DeadlineID]bool) error {
	for _, d := range waiting {
		if d.Container == e.container.ID && d.Verb == e.verb && d.Due.Equal(e.at) {
			right[d.ID] = true
			return nil
		}
	}
	if now := s.Now(); !e.at.After(now) {
		if again, err := s.mayRetry(ctx, e, now); err != nil || !again {
			return err
		}
	}
	return s.gate.AddDeadline(ctx, inventory.Deadline{Due: e.at.UTC(), Verb: e.verb, Container: e.container.ID,
		Principal: principal(), Missed: inventory.MissedRun, Reason: e.reason})
}

// mayRetry reports whether an end that has come, and that its container has not followed, is to be
// asked for: the first time, and from time to time after it failed, but not while others decide.
func (s *Service) mayRetry(ctx context.Context, e end, now time.Time) (bool, error) {
	earlier, err := s.Store.DeadlinesSince(ctx, e.container.ID, e.verb, e.at)
	if err != nil {
		return false, err
	}
	for _, d := range earlier {
		if d.Principal.Name == inventory.LeasePrincipal && d.Due.Equal(e.at) && strings.HasPrefix(d.Outcome, "waits for approval") {
			return false, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.tried[e.container.ID]; ok && now.Sub(last) < retry && !now.Before(last) {
		return false, nil
	}
	s.tried[e.container.ID] = now
	return true, nil
}

// letGo ends the deadlines that no lease asks for any more. What is due already is the gate's.
func (s *Service) letGo(ctx context.Context, waiting []inventory.Deadline, right map[inventory.DeadlineID]bool) error {
	now := s.Now()
	for _, d := range waiting {
		if right[d.ID] || !d.Due.After(now) {
			continue
		}
		err := s.Store.EndDeadline(ctx, d.ID, now, "the lease changed")
		if err != nil && !errors.Is(err, inventory.ErrStale) {
			return err
		}
	}
	return nil
}

// principal is who acts for leases.
func principal() inventory.Principal {
	return inventory.Principal{Name: inventory.LeasePrincipal, Kind: inventory.KindSystem, Admin: true, Proof: "lease", From: "agent"}
}
