package firewall

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Forwards keeps the forwards.
type Forwards interface {
	Forwards(ctx context.Context) ([]inventory.Forward, error)
	SaveForward(ctx context.Context, f inventory.Forward) error
	DeleteForward(ctx context.Context, id string) error
}

func (s *Service) forwardVerbs() []gate.Verb {
	look := gate.Step{Name: "look", Do: s.look}
	return []gate.Verb{
		{Name: "forward.view", Right: inventory.RightView, Mode: gate.ModeRead, Risk: inventory.RiskLow, Command: "forward list"},
		{Name: "forward.add", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "forward add", Subject: s.subject, Prepare: s.prepareForward,
			Steps: []gate.Step{look, {Name: "save", Do: s.saveForward, Undo: s.saveBack}}},
		{Name: "forward.remove", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "forward remove", Subject: s.subject, Prepare: s.prepareRemoveForward,
			Steps: []gate.Step{look, {Name: "remove", Do: s.removeForward, Undo: s.saveBack}}},
	}
}

func (s *Service) forward(ctx context.Context, id string) (*inventory.Forward, error) {
	all, err := s.Forwards.Forwards(ctx)
	i := slices.IndexFunc(all, func(f inventory.Forward) bool { return f.ID == id })
	if err != nil || i < 0 {
		return nil, err
	}
	return &all[i], nil
}

// parsed reads the parameters and finds the container.
func (s *Service) parsed(ctx context.Context, a inventory.ForwardArgs) (f inventory.Forward, c *inventory.Container, err error) {
	if f, err = inventory.ParseListen(a.Listen); err != nil {
		return f, nil, err
	}
	name, err := f.ParseTarget(a.Target)
	if err != nil {
		return f, nil, err
	}
	if c, err = s.container(ctx, name); err == nil {
		f.Container = c.ID
	}
	return f, c, err
}

func (s *Service) prepareForward(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ForwardArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	f, c, err := s.parsed(ctx, args)
	if err != nil {
		return nil, err
	}
	if f.Address.Is6() && !slices.ContainsFunc(c.NICs, func(n inventory.NIC) bool { return n.IPv6.IsValid() }) ||
		!slices.ContainsFunc(c.NICs, func(n inventory.NIC) bool { return n.IPv4.IsValid() || n.IPv6.IsValid() }) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s has no address of that family to forward to", c.Ref())
	}
	line := inventory.EffectLine{Field: "forward", After: f.Listen() + " to " + f.Target(c.Ref().String()), Effect: inventory.EffectLive}
	all, err := s.Forwards.Forwards(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		if g.ID == f.ID && (g.Container == f.Container || !s.exists(ctx, g.Container)) {
			line.Before = g.Listen() + " to " + g.Target(s.name(ctx, g.Container))
		} else if g.Overlaps(f) {
			return nil, inventory.Errorf(inventory.ErrExists, "%s is taken: %s is forwarded to %s; 'lodge forward remove %s' frees it",
				f.Listen(), g.Listen(), g.Target(s.name(ctx, g.Container)), g.ID)
		}
	}
	if who := s.Taken(f); who != "" {
		return nil, inventory.Errorf(inventory.ErrExists, "%s is taken: %s; choose another port of the host", f.Listen(), who)
	}
	args.Target = f.Target(string(c.ID)) // the name may be somebody else's when it is done
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

// exists reports whether a container was not purged; unsure, it does.
func (s *Service) exists(ctx context.Context, id inventory.ContainerID) bool {
	_, err := s.Estate.Container(ctx, inventory.Ref{Name: string(id)})
	return !errors.Is(err, inventory.ErrNotFound)
}

// name is what people call a container, its id when it is gone.
func (s *Service) name(ctx context.Context, id inventory.ContainerID) string {
	c, err := s.Estate.Container(ctx, inventory.Ref{Name: string(id)})
	if err != nil {
		return string(id)
	}
	return c.Ref().String()
}

func (s *Service) prepareRemoveForward(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.IDArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	f, err := s.forward(ctx, args.ID)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no forward %s; 'lodge forward list' shows those there are", args.ID)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "forward",
		Before: f.Listen() + " to " + f.Target(s.name(ctx, f.Container)), Effect: inventory.EffectLive}}}, nil
}

func (s *Service) saveForward(ctx context.Context, r *gate.Run) error {
	var args inventory.ForwardArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	f, _, err := s.parsed(ctx, args)
	if err != nil {
		return err
	}
	f.Reason, f.CreatedAt = r.Operation.Reason, r.Operation.StartedAt
	if err := s.Forwards.SaveForward(ctx, f); err != nil {
		return err
	}
	return s.Applier.ApplyRules(ctx)
}

func (s *Service) removeForward(ctx context.Context, r *gate.Run) error {
	var args inventory.IDArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if err := s.Forwards.DeleteForward(ctx, args.ID); err != nil {
		return err
	}
	return s.Applier.ApplyRules(ctx)
}

// Goes says where each forward goes, for lists: the container's name and its addresses.
func (s *Service) Goes(ctx context.Context, f inventory.Forward) (target string, to []netip.Addr) {
	c, err := s.Estate.Container(ctx, inventory.Ref{Name: string(f.Container)})
	if err != nil {
		return f.Target(string(f.Container)), nil
	}
	return f.Target(c.Ref().String()), nil
}
