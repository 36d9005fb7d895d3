package container

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// LeaseRules are what settings say about the leases of a project's containers.
func (s *Service) LeaseRules(ctx context.Context, project string) (inventory.LeaseRules, error) {
	above, err := s.above(ctx, project)
	if err != nil {
		return inventory.LeaseRules{}, err
	}
	return inventory.LeaseRulesOf(inventory.ValueMap(s.Config.Settings.InForce(inventory.ScopeProject, above...)))
}

// lend gives a new container the lease that was asked for, or that the rules want. The parameters
// become instants: a plan that waits for an approval means the same then.
func (s *Service) lend(ctx context.Context, c *inventory.Container, expires, runFor *string) error {
	rules, err := s.LeaseRules(ctx, c.Project)
	if err != nil {
		return err
	}
	now := s.Now()
	if *expires == "" && rules.Length() > 0 {
		*expires = inventory.DurationText(rules.Length())
	}
	for text, end := range map[*string]*time.Time{expires: &c.ExpiresAt, runFor: &c.RunUntil} {
		*end = time.Time{}
		if *text == "" {
			continue
		}
		if *end, err = inventory.ParseUntil(*text, now, now); err != nil {
			return err
		}
		*text = end.Format(time.RFC3339)
	}
	if !c.ExpiresAt.IsZero() && c.RunUntil.After(c.ExpiresAt) {
		return inventory.Errorf(inventory.ErrInvalid, "%s can't run until %s: it goes to the trash on %s",
			c.Ref(), *runFor, *expires)
	}
	lent := c.Clone()
	lent.ExpiresAt = time.Time{} // nothing it had before counts
	return rules.CheckKeep(lent, c.ExpiresAt, now)
}

// lendAgain gives what comes back from the trash some time where its lease has ended: until, once a
// plan has said so.
func (s *Service) lendAgain(ctx context.Context, c *inventory.Container, until *string) ([]inventory.EffectLine, error) {
	now := s.Now()
	var lines []inventory.EffectLine
	if !c.RunUntil.IsZero() && !c.RunUntil.After(now) && c.Intent == inventory.IntentRun {
		c.Intent = inventory.IntentStop
		lines = append(lines, inventory.EffectLine{Field: "run lease", Note: "it has ended, so the container stays stopped until 'lodge lease extend'"})
	}
	if c.ExpiresAt.IsZero() || c.ExpiresAt.After(now) {
		*until = ""
		return lines, nil
	}
	rules, err := s.LeaseRules(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	grace := max(rules.Grace, time.Minute)
	if *until == "" {
		*until = inventory.DurationText(grace)
	}
	end, err := inventory.ParseUntil(*until, now, now)
	if err == nil && end.After(now.Add(grace)) {
		err = inventory.Errorf(inventory.ErrDenied, "%s is kept for %s when it comes back after its lease, not until %s; extend the lease then",
			c.Ref(), inventory.DurationText(grace), *until)
	}
	if err != nil {
		return nil, err
	}
	c.ExpiresAt, *until = end, end.Format(time.RFC3339)
	return append(lines, inventory.EffectLine{Field: "lease", After: *until, Note: "its lease has ended; this is the time there is to extend it"}), nil
}

// mayRun refuses with ErrState a start after the run lease has ended.
func (s *Service) mayRun(c *inventory.Container) error {
	if c.RunUntil.IsZero() || c.RunUntil.After(s.Now()) {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "%s may not run any more: its run lease ended on %s; 'lodge lease extend %s --run-until 12h' lets it",
		c.Ref(), c.RunUntil.UTC().Format(time.RFC3339), c.Ref())
}

// leaseOver refuses what a lease asks for that goes on: it was extended since its deadline was made.
func (s *Service) leaseOver(r *gate.Request, end time.Time) error {
	if r.Principal.Kind != inventory.KindSystem || r.Principal.Name != inventory.LeasePrincipal ||
		!end.IsZero() && !end.After(s.Now()) {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "the lease of %s goes on", r.Container.Ref())
}
