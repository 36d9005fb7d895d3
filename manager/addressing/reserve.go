package addressing

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// rangeSubject makes changes of the reservations of one network exclude each other.
func rangeSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.ReleaseArgs
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	if args.Range == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which addresses are meant")
	}
	return "addresses:" + cmp.Or(args.Network, inventory.DefaultNetwork), args.Range, nil
}

func (s *Service) prepareReserve(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ReserveArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	args.Network = cmp.Or(args.Network, inventory.DefaultNetwork)
	want, err := reservation(args)
	if err != nil {
		return nil, err
	}
	n, err := s.store.Network(ctx, args.Network)
	if err != nil {
		return nil, err
	}
	if !n.IPv4.Contains(want.Range.From) || !n.IPv4.Contains(want.Range.To) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s lies outside of network %s (%s)", want.Range, n.Name, n.IPv4.Masked())
	}
	line := inventory.EffectLine{Field: "reserved", After: want.Range.String() + meant(want), Effect: inventory.EffectLive}
	if old, err := s.reserved(ctx, args.Network, want.Range); err != nil {
		return nil, err
	} else if old != nil {
		line.Before = old.Range.String() + meant(*old)
	}
	if line.Note, err = s.holders(ctx, want); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

// holders says who has reserved addresses already, and keeps them.
func (s *Service) holders(ctx context.Context, want inventory.AddressReservation) (string, error) {
	held, err := s.store.HeldAddresses(ctx, want.Network)
	if err != nil {
		return "", err
	}
	var who []string
	for _, a := range held {
		if ref := (inventory.Ref{Project: a.Project, Name: a.Name}); want.Bars(a.IP, ref) {
			who = append(who, ref.String()+" has "+a.IP.String())
		}
	}
	if len(who) == 0 {
		return "", nil
	}
	slices.Sort(who)
	return strings.Join(who, ", ") + " and keeps it", nil
}

func meant(r inventory.AddressReservation) string {
	if r.For == (inventory.Ref{}) {
		return ""
	}
	return " for " + r.For.String()
}

func reservation(args inventory.ReserveArgs) (inventory.AddressReservation, error) {
	span, err := inventory.ParseAddressRange(args.Range)
	r := inventory.AddressReservation{Network: args.Network, Range: span, Note: strings.TrimSpace(args.Note)}
	if err == nil {
		err = inventory.CheckLine("the note", r.Note)
	}
	if err == nil && args.For != "" {
		r.For = inventory.ParseRef(args.For)
		r.For.Project = cmp.Or(r.For.Project, inventory.DefaultProject)
		err = inventory.CheckName("the container", r.For.Name)
	}
	return r, err
}

// reserved finds the reservation of exactly these addresses; nil if there is none.
func (s *Service) reserved(ctx context.Context, network string, span inventory.AddressRange) (*inventory.AddressReservation, error) {
	all, err := s.store.Reservations(ctx, network)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Range == span {
			return &r, nil
		}
	}
	return nil, nil
}

func (s *Service) lookReserved(ctx context.Context, r *gate.Run) error {
	network, span, err := place(r)
	if err != nil {
		return err
	}
	before, err := s.reserved(ctx, network, span)
	if err != nil {
		return err
	}
	return r.Save(beforeKey, before)
}

func (s *Service) reserve(ctx context.Context, r *gate.Run) error {
	var args inventory.ReserveArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	want, err := reservation(args)
	if err != nil {
		return err
	}
	want.CreatedBy, want.CreatedAt = r.Operation.Principal.Name, r.Operation.StartedAt
	return s.store.SaveReservation(ctx, want)
}

// reserveBack restores what look found.
func (s *Service) reserveBack(ctx context.Context, r *gate.Run) error {
	var before *inventory.AddressReservation
	if !r.Load(beforeKey, &before) {
		return nil
	}
	if before != nil {
		return s.store.SaveReservation(ctx, *before)
	}
	return s.release(ctx, r)
}

func (s *Service) prepareRelease(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ReleaseArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	args.Network = cmp.Or(args.Network, inventory.DefaultNetwork)
	span, err := inventory.ParseAddressRange(args.Range)
	if err != nil {
		return nil, err
	}
	old, err := s.reserved(ctx, args.Network, span)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, inventory.Errorf(inventory.ErrNotFound,
			"%s is not reserved on network %s; 'lodge address list' shows what is", span, args.Network)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "reserved", Before: old.Range.String() + meant(*old), Effect: inventory.EffectLive}}}, nil
}

func (s *Service) release(ctx context.Context, r *gate.Run) error {
	network, span, err := place(r)
	if err != nil {
		return err
	}
	return s.store.DeleteReservation(ctx, network, span)
}

// place reads which addresses an operation is about; both verbs name them alike.
func place(r *gate.Run) (network string, span inventory.AddressRange, err error) {
	var args inventory.ReleaseArgs
	if err := json.Unmarshal(r.Operation.Args, &args); err != nil {
		return "", span, inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	span, err = inventory.ParseAddressRange(args.Range)
	return args.Network, span, err
}
