package sudo

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"lodge/inventory"
)

const (
	// poll bounds how late it is noticed that somebody's role has ended by itself, or that the clock was
	// set.
	poll = 5 * time.Second
	// retry is the pause before an end that failed is asked for again.
	retry = 30 * time.Second
)

// Keep looks at the grants whenever poked, and from time to time, until ctx ends.
func (s *Service) Keep(ctx context.Context, poked <-chan struct{}) {
	for tick := time.NewTicker(poll); ; {
		if err := s.Look(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("sudo doesn't end now", "error", err)
		}
		select {
		case <-tick.C:
		case <-poked:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// Look gives every grant the deadline that ends it, which is due now where its holder may not go in any
// more, and takes away deadlines of those that have ended otherwise.
func (s *Service) Look(ctx context.Context) error {
	s.looks.Lock()
	defer s.looks.Unlock()
	open, err := s.Store.SudoGrants(ctx, inventory.SudoQuery{Open: true})
	if err != nil {
		return err
	}
	waiting, err := s.Store.AllWaiting(ctx, inventory.SudoPrincipal)
	if err != nil || len(open) == 0 && len(waiting) == 0 {
		return err
	}
	earliest := map[inventory.OperationID]time.Time{}
	for _, d := range waiting {
		var args inventory.SudoEndArgs
		if err := json.Unmarshal(d.Args, &args); err != nil {
			return err
		}
		if at, ok := earliest[args.Grant]; !ok || d.Due.Before(at) {
			earliest[args.Grant] = d.Due
		}
	}
	for _, g := range open {
		due, why := s.due(ctx, g)
		if at, ok := earliest[g.ID]; ok && !due.Before(at) {
			delete(earliest, g.ID)
			continue
		}
		delete(earliest, g.ID)
		if !s.mayTry(g, due) {
			continue
		}
		if err := s.schedule(ctx, g, due, why); err != nil {
			return err
		}
	}
	return s.letGo(ctx, waiting, earliest)
}

// due is when a grant ends, and why then.
func (s *Service) due(ctx context.Context, g inventory.SudoGrant) (time.Time, string) {
	c, err := s.Store.Container(ctx, inventory.Ref{Name: string(g.Container)})
	if err == nil && !s.Rights.Allowed(g.Holder, inventory.RightSession, c) {
		if now := s.Now(); now.Before(g.Until) {
			return now, g.Holder.Name + " may not go in any more"
		}
	}
	return g.Until, "its time is over"
}

// mayTry reports whether an end that has come is to be asked for: from time to time after it failed. What
// its time is over for had a deadline, which may be at work: only when that has come to nothing, it is asked for again.
func (s *Service) mayTry(g inventory.SudoGrant, due time.Time) bool {
	now := s.Now()
	if due.After(now) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, again := s.tried[g.ID]
	if again && now.Sub(last) < retry && !now.Before(last) {
		return false
	}
	s.tried[g.ID] = now
	return again || now.Before(g.Until)
}

func (s *Service) schedule(ctx context.Context, g inventory.SudoGrant, due time.Time, why string) error {
	args, err := json.Marshal(inventory.SudoEndArgs{Grant: g.ID})
	if err != nil {
		return err
	}
	return s.gate.AddDeadline(ctx, inventory.Deadline{Due: due.UTC(), Verb: endVerb, Container: g.Container, Args: args,
		Principal: principal(), Missed: inventory.MissedRun, Reason: why})
}

// letGo ends the deadlines of grants that have ended. What is due already is the gate's.
func (s *Service) letGo(ctx context.Context, waiting []inventory.Deadline, over map[inventory.OperationID]time.Time) error {
	now := s.Now()
	for _, d := range waiting {
		var args inventory.SudoEndArgs
		if err := json.Unmarshal(d.Args, &args); err != nil {
			return err
		}
		if _, ended := over[args.Grant]; !ended || !d.Due.After(now) {
			continue
		}
		err := s.Store.EndDeadline(ctx, d.ID, now, "the grant ended before")
		if err != nil && !errors.Is(err, inventory.ErrStale) {
			return err
		}
		s.mu.Lock()
		delete(s.tried, args.Grant)
		s.mu.Unlock()
	}
	return nil
}

// principal is who ends grants.
func principal() inventory.Principal {
	return inventory.Principal{Name: inventory.SudoPrincipal, Kind: inventory.KindSystem, Admin: true, Proof: "sudo", From: "agent"}
}
