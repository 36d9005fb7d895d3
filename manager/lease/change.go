package lease

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareSet drafts the ends as asked for: a time, or a duration from now.
func (s *Service) prepareSet(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	return s.prepare(ctx, r, func(_, now time.Time, _ inventory.Clock) (time.Time, error) { return now, nil })
}

// prepareExtend drafts later ends: a time, or a duration from the end there is. One that has ended
// already goes on from now.
func (s *Service) prepareExtend(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	return s.prepare(ctx, r, func(end, now time.Time, clock inventory.Clock) (time.Time, error) {
		switch {
		case end.IsZero():
			return end, inventory.Errorf(inventory.ErrState,
				"%s has no end of its %s lease to extend; 'lodge lease set %s --%s-until 30d' gives it one", r.Container.Ref(), clock, r.Container.Ref(), clock)
		case end.Before(now):
			return now, nil
		}
		return end, nil
	})
}

// prepare drafts the lease of the parameters. from says where a duration counts from, and what an end
// has to be later than.
func (s *Service) prepare(ctx context.Context, r *gate.Request,
	from func(end, now time.Time, clock inventory.Clock) (time.Time, error)) (*gate.Draft, error) {
	var args inventory.LeaseArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if args == (inventory.LeaseArgs{}) && r.Verb == extendVerb {
		far, err := s.asFarAsAllowed(ctx, r.Container)
		if err != nil {
			return nil, err
		}
		args.KeepUntil = far
	}
	if args == (inventory.LeaseArgs{}) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "say until when: --keep-until 30d, --run-until 12h, or both")
	}
	after, now := r.Container.Clone(), s.Now()
	for _, part := range []struct {
		clock inventory.Clock
		text  *string
		end   *time.Time
	}{{inventory.ClockRun, &args.RunUntil, &after.RunUntil}, {inventory.ClockKeep, &args.KeepUntil, &after.ExpiresAt}} {
		if *part.text == "" {
			continue
		}
		base, err := from(*part.end, now, part.clock)
		if err != nil {
			return nil, err
		}
		until, err := inventory.ParseUntil(*part.text, base, now)
		if err == nil && base != now && !until.After(base) {
			err = inventory.Errorf(inventory.ErrInvalid, "the %s lease of %s goes until %s already, later than %s; 'lodge lease set' makes it shorter",
				part.clock, r.Container.Ref(), base.UTC().Format(time.RFC3339), until.Format(time.RFC3339))
		}
		if err != nil {
			return nil, err
		}
		*part.end, *part.text = until, until.Format(time.RFC3339) // a plan that waits for approval means the same then
	}
	if err := s.check(ctx, r.Container, after, args, now); err != nil {
		return nil, err
	}
	return draft(r.Container, after, args), nil
}

// asFarAsAllowed is until when the rules let a container be kept that has an end; "" where they are
// silent.
func (s *Service) asFarAsAllowed(ctx context.Context, c *inventory.Container) (string, error) {
	rules, err := s.Rules.LeaseRules(ctx, c.Project)
	if err != nil || c.ExpiresAt.IsZero() {
		return "", err
	}
	now := s.Now()
	latest, _ := rules.Latest(c.CreatedAt, now)
	if latest.IsZero() && rules.Default > 0 {
		latest = now.Add(rules.Default)
	}
	if latest.IsZero() {
		return "", nil
	}
	return latest.UTC().Format(time.RFC3339), nil
}

// check holds the lease to come against the rules and itself.
func (s *Service) check(ctx context.Context, before, after *inventory.Container, args inventory.LeaseArgs, now time.Time) error {
	if args.RunUntil != "" && !after.ExpiresAt.IsZero() && after.RunUntil.After(after.ExpiresAt) {
		return inventory.Errorf(inventory.ErrInvalid, "%s can't run until %s: it goes to the trash on %s; extend --keep-until as well",
			before.Ref(), args.RunUntil, after.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if args.KeepUntil == "" {
		return nil
	}
	rules, err := s.Rules.LeaseRules(ctx, before.Project)
	if err != nil {
		return err
	}
	return rules.CheckKeep(before, after.ExpiresAt, now)
}

// prepareClear drafts a lease without end, as far as the rules let that be.
func (s *Service) prepareClear(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.LeaseClearArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if !args.Run && !args.Keep {
		args.Run, args.Keep = !r.Container.RunUntil.IsZero(), !r.Container.ExpiresAt.IsZero()
	}
	after := r.Container.Clone()
	if args.Run {
		after.RunUntil = time.Time{}
	}
	if args.Keep && !after.ExpiresAt.IsZero() {
		rules, err := s.Rules.LeaseRules(ctx, after.Project)
		if err != nil {
			return nil, err
		}
		if rules.IsRequired() {
			return nil, inventory.Errorf(inventory.ErrDenied,
				"%s can't be kept for ever: %s or %s of its project or the host bounds that; 'lodge lease extend' goes as far as they allow",
				after.Ref(), inventory.LeaseMax, inventory.LeaseTotal)
		}
		after.ExpiresAt = time.Time{}
	}
	return draft(r.Container, after, args), nil
}

// draft says what changes; one without a change leaves the container at its revision.
func draft(before, after *inventory.Container, args any) *gate.Draft {
	d := &gate.Draft{Args: args, Effects: inventory.Diff(before, after, nil)}
	if len(d.Effects) > 0 {
		d.After = after
	}
	return d
}

func notInTrash(c *inventory.Container) error {
	if !c.IsTrashed() {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "%s is in the trash; 'lodge trash restore %s' brings it back, and gives it time", c.Ref(), c.Ref())
}
