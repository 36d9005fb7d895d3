package container

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (s *Service) updateSteps() []gate.Step {
	return []gate.Step{
		{Name: "disk", Do: s.resizeDisk, Undo: s.resizeDiskBack},
		{Name: "configure", Do: s.configure, Undo: s.reconfigure},
		{Name: "apply", Do: s.applyLive, Undo: s.applyBack},
		{Name: "names", Do: s.publishNICs, Undo: s.publishNICsBack},
	}
}

// prepareUpdate drafts changed facts and settings.
func (s *Service) prepareUpdate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.UpdateArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := stillSo(r.Container, &args); err != nil {
		return nil, err
	}
	after := r.Container.Clone()
	for field, value := range map[*string]*string{&after.Owner: args.Owner, &after.Purpose: args.Purpose,
		&after.DataClass: args.DataClass, &after.Ticket: args.Ticket} {
		if value != nil {
			*field = *value
		}
	}
	if args.Environment != nil {
		after.Environment = inventory.Environment(*args.Environment)
	}
	if args.After != nil {
		after.After = *args.After
	}
	after.Labels = merge(after.Labels, args.Labels, args.Unlabel)
	given, err := s.Config.Settings.Check(inventory.ScopeContainer, args.Settings)
	if err != nil {
		return nil, err
	}
	for _, name := range args.Unset {
		if _, ok := s.Config.Settings[name]; !ok {
			return nil, inventory.Errorf(inventory.ErrInvalid, "there is no setting %q", name)
		}
	}
	after.Settings = merge(after.Settings, given, args.Unset)
	d, err := s.draftUpdate(ctx, r, after)
	if err != nil || args.For == "" {
		return d, err
	}
	return d, s.goBack(ctx, r, &args, d)
}

// prepareRevert drafts an earlier revision's facts and settings. What that revision can't bring
// back (name, image, addresses, intent) stays.
func (s *Service) prepareRevert(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.RevertArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	history, err := s.Store.History(ctx, r.Container.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(history,
		func(h inventory.Revision) bool { return h.Container.Revision == args.Revision })
	if i < 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound,
			"%s has no revision %d; 'lodge history %s' lists them", r.Container.Ref(), args.Revision, r.Container.Ref())
	}
	old, after := history[i].Container, r.Container.Clone()
	after.Owner, after.Purpose, after.Environment, after.DataClass = old.Owner, old.Purpose, old.Environment, old.DataClass
	after.Ticket, after.Labels, after.Settings, after.After = old.Ticket, maps.Clone(old.Labels), maps.Clone(old.Settings), slices.Clone(old.After)
	after.Devices = slices.Clone(old.Devices)
	return s.draftUpdate(ctx, r, after)
}

// draftUpdate checks the container as it is to be, and says what that changes.
func (s *Service) draftUpdate(ctx context.Context, r *gate.Request,
	after *inventory.Container) (*gate.Draft, error) {
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if err := s.checkFacts(ctx, after); err != nil {
		return nil, err
	}
	if after.Settings["disk"] != r.Container.Settings["disk"] {
		if err := s.checkDisk(ctx, after); err != nil {
			return nil, err
		}
	}
	if err := s.checkDevices(ctx, r, r.Container, after); err != nil {
		return nil, err
	}
	after.UpdatedAt = s.Now()
	values, err := s.Effective(ctx, after)
	if err != nil {
		return nil, err
	}
	effective := inventory.ValueMap(values)
	if err := s.checkValues(ctx, r, after, values); err != nil {
		return nil, err
	}
	d := &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, s.Config.Settings),
		Reserve: reservation(effective)}
	s.explainDevices(d.Effects, r.Container, after, r.Observed.State.IsLive())
	for i, line := range d.Effects {
		if line.Effect == inventory.EffectRestart && r.Observed.State.IsLive() {
			d.Effects[i].Note = "holds after the next restart"
		}
		if _, set := s.Config.Settings[line.Field]; set && line.After == "" {
			d.Effects[i].Note = "back to " + effective[line.Field]
		}
	}
	s.addCaveats(d.Effects, after, effective)
	if after.Settings[hoursSetting] != r.Container.Settings[hoursSetting] {
		hours, err := s.hoursLine(ctx, r, after)
		if err != nil {
			return nil, err
		}
		d.Effects = append(d.Effects, hours...)
	}
	if !placesDiffer(r.Container, after) {
		return d, nil
	}
	return s.place(ctx, after, d)
}

// checkValues checks the settings to come against those in force and against each other.
func (s *Service) checkValues(ctx context.Context, r *gate.Request, after *inventory.Container,
	values []inventory.Value) error {
	before, err := s.Effective(ctx, r.Container)
	if err != nil {
		return err
	}
	return errors.Join(s.checkShrink(ctx, r, inventory.ValueMap(before), inventory.ValueMap(values)),
		s.checkCapacity(ctx, r.Container, after))
}

// merge returns base with set put over it and unset taken out.
func merge(base, set map[string]string, unset []string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, set)
	for _, name := range unset {
		delete(out, name)
	}
	return out
}

func (s *Service) resizeDisk(ctx context.Context, r *gate.Run) error {
	if err := s.recheckCapacity(ctx, r); err != nil {
		return err
	}
	return s.resizeDiskTo(ctx, r.Before, r.After)
}

func (s *Service) resizeDiskBack(ctx context.Context, r *gate.Run) error {
	return s.resizeDiskTo(ctx, r.After, r.Before)
}

func (s *Service) resizeDiskTo(ctx context.Context, from, to *inventory.Container) error {
	old, err := s.diskSize(ctx, from)
	if err != nil {
		return err
	}
	size, err := s.diskSize(ctx, to)
	if err != nil || size == old {
		return err
	}
	return s.pool(to).Resize(ctx, string(to.ID), size)
}

func (s *Service) applyLive(ctx context.Context, r *gate.Run) error {
	return s.applyTo(ctx, r.Before, r.After)
}

func (s *Service) applyBack(ctx context.Context, r *gate.Run) error {
	return s.applyTo(ctx, r.After, r.Before)
}

// applyTo brings a live container's devices and limits to what to says.
func (s *Service) applyTo(ctx context.Context, from, to *inventory.Container) error {
	if err := s.guardNICs(ctx, from, to); err != nil {
		return err
	}
	if s.Observer.State(to).IsLive() {
		unlock := s.lockDevices(to.ID)
		err := s.changeDevices(ctx, from, to)
		unlock()
		if err != nil {
			return err
		}
	}
	if err := s.unguardNICs(ctx, from, to); err != nil {
		return err
	}
	var changed []string
	for _, line := range inventory.Diff(from, to, s.Config.Settings) {
		if set, ok := s.Config.Settings[line.Field]; ok && set.Effect == inventory.EffectLive {
			changed = append(changed, line.Field)
		}
	}
	if slices.Contains(changed, hoursSetting) {
		s.pokeHours()
	}
	if len(changed) == 0 {
		return nil
	}
	return s.hold(ctx, to, changed)
}

// Reapply brings a container to its effective settings after a default above it changed.
func (s *Service) Reapply(ctx context.Context, c *inventory.Container, changed []string) error {
	if slices.Contains(changed, hoursSetting) {
		s.pokeHours()
	}
	if slices.Contains(changed, "disk") {
		size, err := s.diskSize(ctx, c)
		if err != nil {
			return err
		}
		if err := s.pool(c).Resize(ctx, string(c.ID), size); err != nil {
			return err
		}
	}
	if err := s.configureAs(ctx, c); err != nil {
		return err
	}
	return s.hold(ctx, c, changed)
}

// hold makes changed settings hold now.
func (s *Service) hold(ctx context.Context, c *inventory.Container, changed []string) error {
	live := s.Observer.State(c).IsLive()
	if !live && !concernsTraffic(changed) {
		return nil
	}
	b, err := s.boot(ctx, c)
	if err != nil {
		return err
	}
	if concernsTraffic(changed) {
		if err := s.reshapeTraffic(ctx, c, b.Settings); err != nil {
			return err
		}
	}
	if !live {
		return nil
	}
	return s.Shape.Apply(ctx, b, changed)
}

func (s *Service) encode(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	raw, _ := json.Marshal(v) // argument structs of strings and numbers
	return raw
}
