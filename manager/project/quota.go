package project

import (
	"context"
	"maps"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareQuota drafts changed quotas. One below what is used already is no mistake: it keeps
// anything from growing.
func (s *Service) prepareQuota(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.QuotaArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	holder := args.Holder()
	if err := holder.Check(); err != nil {
		return nil, err
	}
	if args.Project != "" && args.Project != inventory.WholeHost {
		if _, err := s.Projects.Project(ctx, args.Project); err != nil {
			return nil, err
		}
	}
	most, err := amounts(args)
	if err != nil {
		return nil, err
	}
	all, err := s.Quotas.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	d := &gate.Draft{}
	for _, name := range slices.Sorted(maps.Keys(most)) {
		line := inventory.EffectLine{Field: name, Effect: inventory.EffectLive}
		if most[name] >= 0 {
			line.After = inventory.QuotaText(name, most[name])
		}
		for _, q := range all {
			if q.QuotaHolder != holder || q.Name != name {
				continue
			}
			line.Before = inventory.QuotaText(name, q.Max)
			if most[name] >= 0 && q.Used > most[name] {
				line.Note = inventory.QuotaText(name, q.Used) + " is committed already; nothing may grow"
			}
		}
		if line.Before != line.After {
			d.Effects = append(d.Effects, line)
		}
	}
	return d, nil
}

// amounts reads the quotas of the parameters; -1 takes one away.
func amounts(args inventory.QuotaArgs) (map[string]int64, error) {
	most := map[string]int64{}
	for name, text := range args.Quotas {
		n, err := inventory.ParseQuota(name, text)
		if err != nil {
			return nil, err
		}
		most[name] = n
	}
	for _, name := range args.Unset {
		if _, err := inventory.ParseQuota(name, "0"); err != nil {
			return nil, err
		}
		most[name] = -1
	}
	if len(most) == 0 {
		return nil, inventory.Errorf(inventory.ErrInvalid, "no quota is named; write it like containers=20 memory=16GiB")
	}
	return most, nil
}

func (s *Service) setQuota(ctx context.Context, r *gate.Run) error {
	var args inventory.QuotaArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	most, err := amounts(args)
	if err != nil {
		return err
	}
	return s.Quotas.SetQuotas(ctx, args.Holder(), most)
}
