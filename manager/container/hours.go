package container

import (
	"context"
	"errors"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Hours (power.hours) act by deadlines: every container that has some has one deadline, a start or a
// stop at its next boundary, made by the principal "schedule". It passes the gate like a person's.
// LookAtHours makes the next one from what is due, done and missed, so it does not matter when or by
// whom the last was dealt with: a deadline that was not run on time is left out (MissedSkip), and
// what it should have done is made up for if it is still right.

const (
	hoursSetting = "power.hours"
	stopVerb     = "container.stop"
	// hoursPoll bounds how late a new container's hours, or a clock that was set, are noticed.
	hoursPoll = 30 * time.Second
	// hoursMemory is how far back the last deadline is looked for.
	hoursMemory = 2 * 365 * 24 * time.Hour
	// hoursOver is the outcome of a deadline that the hours have no more.
	hoursOver = "the hours changed"
	// scheduler names the principal of starts and stops by hours.
	scheduler = "schedule"
)

// schedule is who starts and stops by hours.
func schedule() inventory.Principal {
	return inventory.Principal{Name: scheduler, Kind: inventory.KindSystem, Admin: true, Proof: hoursSetting,
		From: "agent"}
}

// switching is when the hours of a container next start or stop it.
type switching struct {
	hours inventory.Hours
	at    time.Time
	run   bool
}

// KeepHours starts and stops containers by their hours, until ctx ends.
func (s *Service) KeepHours(ctx context.Context) {
	for tick := time.NewTicker(hoursPoll); ; {
		if err := s.LookAtHours(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("containers are not started and stopped by their hours now", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.hoursChanged:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// pokeHours has hours looked at now.
func (s *Service) pokeHours() {
	select {
	case s.hoursChanged <- struct{}{}:
	default:
	}
}

// LookAtHours gives every container that has hours its next deadline, and takes away what is not right
// any more. It may be called at any time.
func (s *Service) LookAtHours(ctx context.Context) error {
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	waiting, err := s.Store.AllWaiting(ctx, scheduler)
	if err != nil {
		return err
	}
	next := map[inventory.ContainerID]switching{}
	inherited := map[string]string{} // by project
	for _, c := range all {
		if _, ok := inherited[c.Project]; !ok {
			if inherited[c.Project], err = s.inheritedHours(ctx, c.Project); err != nil {
				return err
			}
		}
		hours, err := hoursOf(c, inherited[c.Project])
		if err != nil {
			return err
		}
		var keep inventory.DeadlineID
		if !hours.IsAlways() && !c.IsTrashed() {
			sw := switching{hours: hours}
			if keep, sw.at, sw.run, err = s.keepHoursOf(ctx, c, hours, waiting); err != nil {
				return err
			}
			next[c.ID] = sw
		}
		for _, d := range waiting {
			if d.Container != c.ID || d.ID == keep {
				continue
			}
			if err := s.Store.EndDeadline(ctx, d.ID, s.Now(), hoursOver); err != nil && !errors.Is(err, inventory.ErrStale) {
				return err
			}
		}
	}
	s.policyMu.Lock()
	s.switching = next
	s.policyMu.Unlock()
	return nil
}

// keepHoursOf finds or makes the one deadline of a container, and says when it acts.
func (s *Service) keepHoursOf(ctx context.Context, c *inventory.Container, hours inventory.Hours,
	waiting []inventory.Deadline) (keep inventory.DeadlineID, at time.Time, run bool, err error) {
	now := s.Now()
	right, open := hours.Next(now)
	reason := hoursReason(hours)
	for _, d := range waiting {
		if d.Container == c.ID && d.Reason == reason && (d.Due.Equal(right) || !d.Due.After(now)) {
			return d.ID, right, open, nil // what is due already is the gate's
		}
	}
	since, err := s.actedOn(ctx, c, reason)
	if err != nil {
		return "", at, run, err
	}
	at, run = hours.Switch(since, now, c.Intent == inventory.IntentRun)
	if at.IsZero() {
		return "", at, run, nil
	}
	verb := stopVerb
	if run {
		verb = startVerb
	}
	d := s.deadline(c, verb, at, nil, schedule(), reason)
	d.Missed = inventory.MissedSkip
	return d.ID, right, open, s.gate.AddDeadline(ctx, d)
}

func hoursReason(h inventory.Hours) string { return "hours: " + h.String() }

// actedOn returns the instant up to which these hours have been acted on.
func (s *Service) actedOn(ctx context.Context, c *inventory.Container, reason string) (time.Time, error) {
	now := s.Now()
	var last inventory.Deadline
	for _, verb := range []string{startVerb, stopVerb} {
		all, err := s.Store.DeadlinesSince(ctx, c.ID, verb, now.Add(-hoursMemory))
		if err != nil {
			return now, err
		}
		for _, d := range all {
			if d.Principal.Name == scheduler && d.Done.After(last.Done) {
				last = d
			}
		}
	}
	since := now
	switch {
	case !last.Done.IsZero() && last.Reason == reason && last.Outcome != hoursOver:
		since = last.Due
		if last.Done.Before(since) { // replaced, as by somebody's own start
			since = last.Done
		}
		if strings.HasPrefix(last.Outcome, "skipped") {
			since = since.Add(-1) // this one is still to be acted on
		}
	case now.Sub(c.UpdatedAt) < 2*hoursPoll: // its hours are as new as that
		since = c.UpdatedAt
	}
	if since.After(now) {
		since = now
	}
	return since, nil
}

// hours are those in force for c.
func (s *Service) hours(ctx context.Context, c *inventory.Container) (inventory.Hours, error) {
	inherited, err := s.inheritedHours(ctx, c.Project)
	if err != nil {
		return inventory.Hours{}, err
	}
	return hoursOf(c, inherited)
}

func hoursOf(c *inventory.Container, inherited string) (inventory.Hours, error) {
	if own, ok := c.Settings[hoursSetting]; ok {
		return inventory.ParseHours(own)
	}
	return inventory.ParseHours(inherited)
}

// inheritedHours are those of a project's containers that have none of their own.
func (s *Service) inheritedHours(ctx context.Context, project string) (string, error) {
	layers, err := s.above(ctx, project)
	for _, layer := range layers {
		if value, ok := layer.Values[hoursSetting]; ok {
			return value, err
		}
	}
	return "", err
}

// Switching returns when its hours start or stop a container next; the zero time is never.
func (s *Service) Switching(id inventory.ContainerID) (at time.Time, to inventory.Intent) {
	s.policyMu.Lock()
	sw, ok := s.switching[id]
	s.policyMu.Unlock()
	if now := s.Now(); ok && !sw.at.After(now) {
		sw.at, sw.run = sw.hours.Next(now)
	}
	switch {
	case !ok || sw.at.IsZero():
		return time.Time{}, ""
	case sw.run:
		return sw.at, inventory.IntentRun
	}
	return sw.at, inventory.IntentStop
}

// isDone refuses what the schedule need not do: somebody has done it.
func isDone(r *gate.Request, runs bool) error {
	if r.Principal.Name != scheduler || r.Principal.Kind != inventory.KindSystem || r.Observed.State.IsLive() != runs {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "%s is %s already; its hours change nothing", r.Container.Ref(), r.Observed.State)
}

// hoursLine says in a plan, where it is only looked at, what hours have to say about it: how long a
// start or stop by hand holds, or what new hours do first.
func (s *Service) hoursLine(ctx context.Context, r *gate.Request, c *inventory.Container) ([]inventory.EffectLine, error) {
	hours, err := s.hours(ctx, c)
	if err != nil || !r.PlanOnly || hours.IsAlways() {
		return nil, err
	}
	var said []string
	at, open := hours.Next(s.Now())
	for range 2 {
		what := "stops it "
		if open {
			what = "starts it "
		}
		said = append(said, what+hours.In(at).Format("Mon 2006-01-02 15:04 MST"))
		at, open = hours.Next(at)
	}
	return []inventory.EffectLine{{Field: "hours", After: hours.String(),
		Note: "unless it is so already, the schedule " + strings.Join(said, ", then ")}}, nil
}
