package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// The host's own settings: defaults of its containers, and what concerns the host alone.

// configSubject makes changes of the host's settings exclude each other.
func configSubject(*gate.Request) (subject, name string, err error) {
	return "host:config", "config", nil
}

func (s *Service) prepareConfig(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ConfigArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	given, err := s.Config.Settings.Check(inventory.ScopeHost, args.Settings)
	if err != nil {
		return nil, err
	}
	for _, name := range args.Unset {
		if _, ok := s.Config.Settings[name]; !ok {
			return nil, inventory.Errorf(inventory.ErrInvalid, "there is no setting %q", name)
		}
	}
	for _, path := range hostPaths(given) {
		if err := s.Devices.CheckHostFolder(path); err != nil {
			return nil, err
		}
	}
	before, err := s.Store.HostSettings(ctx)
	if err != nil {
		return nil, err
	}
	after := merge(before, given, args.Unset)
	reserve, err := s.hostReservations(ctx, before, after)
	if err != nil {
		return nil, err
	}
	if err := s.Store.TryReserve(ctx, reserve); err != nil {
		return nil, err
	}
	args.Settings = given
	d := &gate.Draft{Args: args, Effects: inventory.Diff(
		&inventory.Container{Settings: before}, &inventory.Container{Settings: after}, s.Config.Settings)}
	for i := range d.Effects {
		if table := s.Config.Settings[d.Effects[i].Field]; slices.Contains(table.Scopes,
			inventory.ScopeContainer) {
			d.Effects[i].Note = "for every container that has no value of its own"
		}
	}
	return d, nil
}

func (s *Service) saveConfig(ctx context.Context, r *gate.Run) error {
	var args inventory.ConfigArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	before, err := s.Store.HostSettings(ctx)
	if err != nil {
		return err
	}
	var kept map[string]string
	if !r.Load("before", &kept) {
		if err := r.Save("before", before); err != nil {
			return err
		}
	}
	after := merge(before, args.Settings, args.Unset)
	reserve, err := s.hostReservations(ctx, before, after)
	if err != nil {
		return err
	}
	return s.Store.SetHostSettings(ctx, after, reserve)
}

func (s *Service) saveConfigBack(ctx context.Context, r *gate.Run) error {
	var before map[string]string
	if !r.Load("before", &before) {
		return nil
	}
	now, err := s.Store.HostSettings(ctx)
	if err != nil {
		return err
	}
	reserve, err := s.hostReservations(ctx, now, before)
	if err != nil {
		return err
	}
	return s.Store.SetHostSettings(ctx, before, reserve)
}

// applyConfig brings the host, and every container that inherits a changed value, to it.
func (s *Service) applyConfig(ctx context.Context, r *gate.Run) error {
	var args inventory.ConfigArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	now, err := s.Store.HostSettings(ctx)
	if err != nil {
		return err
	}
	if err := s.HostChanged(ctx, now); err != nil {
		return err
	}
	changed := slices.AppendSeq(slices.Clone(args.Unset), maps.Keys(args.Settings))
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	return s.reapplyAll(ctx, all, changed)
}

// Inherit brings the containers of a project to what it sets, after some of that changed.
func (s *Service) Inherit(ctx context.Context, project string, changed []string) error {
	all, err := s.containersOf(ctx, project)
	if err != nil {
		return err
	}
	return s.reapplyAll(ctx, all, changed)
}

// reapplyAll brings every container that has no value of its own to what changed above it. One that
// can't be is named and does not keep the others from theirs.
func (s *Service) reapplyAll(ctx context.Context, all []*inventory.Container, changed []string) error {
	var failed error
	for _, c := range all {
		inherited := slices.DeleteFunc(slices.Clone(changed), func(name string) bool {
			_, own := c.Settings[name]
			set := s.Config.Settings[name]
			return own || set.Effect != inventory.EffectLive || !slices.Contains(set.Scopes,
				inventory.ScopeContainer)
		})
		if len(inherited) == 0 || c.IsTrashed() {
			continue
		}
		if err := s.Reapply(ctx, c, inherited); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.Ref(), err))
		}
	}
	return failed
}

// Reservations says what each container of p, those in the trash too, counts against quotas if the
// project is p.
func (s *Service) Reservations(ctx context.Context, p inventory.Project) (
	map[inventory.ContainerID]inventory.Reservation, error) {
	all, err := s.containersOf(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	host, err := s.Store.HostSettings(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[inventory.ContainerID]inventory.Reservation, len(all))
	for _, c := range all {
		values := s.Config.Settings.Effective(inventory.Layer{Origin: "container", Values: c.Settings},
			p.Layer(), inventory.Layer{Origin: "host", Values: host})
		out[c.ID] = *reservation(inventory.ValueMap(values))
	}
	return out, nil
}

// hostReservations says what containers count against quotas once the host's settings are after; none
// where that can't differ from what they count now.
func (s *Service) hostReservations(ctx context.Context, before, after map[string]string) (
	map[inventory.ContainerID]inventory.Reservation, error) {
	if *reservation(before) == *reservation(after) {
		return nil, nil
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	out := make(map[inventory.ContainerID]inventory.Reservation, len(all))
	for _, c := range all {
		above, err := s.above(ctx, c.Project)
		if err != nil {
			return nil, err
		}
		own := inventory.Layer{Origin: "container", Values: c.Settings}
		values := s.Config.Settings.Effective(own, above[0], inventory.Layer{Origin: "host", Values: after})
		out[c.ID] = *reservation(inventory.ValueMap(values))
	}
	return out, nil
}

func (s *Service) containersOf(ctx context.Context, project string) ([]*inventory.Container, error) {
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	return slices.DeleteFunc(all, func(c *inventory.Container) bool { return c.Project != project }), err
}
