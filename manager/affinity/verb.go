package affinity

import (
	"context"
	"encoding/json"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// beforeKey is where an operation keeps the rule it replaces or removes.
const beforeKey = "before"

// subject makes changes of one application's rule exclude each other.
func subject(r *gate.Request) (subject, name string, err error) {
	var args inventory.AffinityNameArgs
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	if args.App == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which application is meant")
	}
	return "affinity:" + args.App, args.App, nil
}

func (s *Service) rule(ctx context.Context, app string) (rule inventory.Affinity, ok bool, err error) {
	all, err := s.store.Affinities(ctx)
	i := slices.IndexFunc(all, func(a inventory.Affinity) bool { return a.App == app })
	if err != nil || i < 0 {
		return rule, false, err
	}
	return all[i], true, nil
}

func (s *Service) prepareAdd(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.AffinityArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	rule, err := args.Affinity()
	if err != nil {
		return nil, err
	}
	old, ok, err := s.rule(ctx, rule.App)
	if err != nil {
		return nil, err
	}
	line := inventory.EffectLine{Field: "affinity", After: rule.String(), Effect: inventory.EffectLive}
	if ok {
		line.Before = old.String()
	}
	d := &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}
	all, err := s.containers.AllContainers(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if v := rule.Violation(c, all); v != "" {
			d.Effects = append(d.Effects, inventory.EffectLine{Field: "violation", After: c.Ref().String(),
				Note: v + "; it stays where it is"})
		}
	}
	return d, nil
}

func (s *Service) prepareRemove(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.AffinityNameArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	old, ok, err := s.rule(ctx, args.App)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, inventory.Errorf(inventory.ErrNotFound,
			"%s has no affinity; 'lodge affinity list' shows those there are", args.App)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "affinity", Before: old.String(), Effect: inventory.EffectLive}}}, nil
}

// look notes the rule as it is, for the way back.
func (s *Service) look(ctx context.Context, r *gate.Run) error {
	var before *inventory.Affinity
	old, ok, err := s.rule(ctx, r.Operation.Name)
	if err != nil {
		return err
	}
	if ok {
		before = &old
	}
	return r.Save(beforeKey, before)
}

func (s *Service) save(ctx context.Context, r *gate.Run) error {
	var args inventory.AffinityArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	rule, err := args.Affinity()
	if err != nil {
		return err
	}
	rule.Reason, rule.CreatedAt = r.Operation.Reason, r.Operation.StartedAt
	return s.store.SaveAffinity(ctx, rule)
}

func (s *Service) remove(ctx context.Context, r *gate.Run) error {
	return s.store.DeleteAffinity(ctx, r.Operation.Name)
}

func (s *Service) saveBack(ctx context.Context, r *gate.Run) error {
	var before *inventory.Affinity
	if !r.Load(beforeKey, &before) {
		return nil
	}
	if before == nil {
		return s.store.DeleteAffinity(ctx, r.Operation.Name)
	}
	return s.store.SaveAffinity(ctx, *before)
}
