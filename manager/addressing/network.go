package addressing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	// madeKey is where a create keeps what was claimed, beforeKey where a change keeps what was.
	madeKey   = "network"
	beforeKey = "before"
)

// networkSubject makes changes of one network exclude each other.
func networkSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.NetworkNameArgs
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	if args.Name == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which network is meant")
	}
	return "network:" + args.Name, args.Name, nil
}

func (s *Service) prepareCreate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.NetworkArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	n, wantIPv6, err := args.Network()
	if err != nil {
		return nil, err
	}
	all, err := s.store.Networks(ctx)
	if err != nil {
		return nil, err
	}
	for _, other := range all {
		switch {
		case other.Name == n.Name:
			return nil, inventory.Errorf(inventory.ErrExists, "there is a network %s already; 'lodge network set' changes it", n.Name)
		case n.Bridge != "" && other.Bridge == n.Bridge && !n.IsRouted() && !other.IsRouted():
			return nil, inventory.Errorf(inventory.ErrExists, "network %s is on %s already", other.Name, n.Bridge)
		case n.IPv4.IsValid() && other.IPv4.Overlaps(n.IPv4):
			return nil, inventory.Errorf(inventory.ErrExists, "%s overlaps network %s (%s)", n.IPv4.Masked(), other.Name, other.IPv4.Masked())
		}
	}
	if err := s.host.Check(n); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: described(n, wantIPv6)}, nil
}

// described are the lines of a plan of a new network.
func described(n inventory.Network, wantIPv6 bool) []inventory.EffectLine {
	line := func(field, value, otherwise string) inventory.EffectLine {
		return inventory.EffectLine{Field: field, After: cmp.Or(value, otherwise), Effect: inventory.EffectLive}
	}
	ipv4, ipv6 := "", ""
	if n.IPv4.IsValid() {
		ipv4 = n.IPv4.String()
	}
	if n.IPv6.IsValid() {
		ipv6 = n.IPv6.String()
	} else if wantIPv6 {
		ipv6 = "a ULA /64"
	}
	place := "a bridge of its own"
	if n.IsRouted() {
		place = "none: others have to route its addresses to this host"
	}
	lines := []inventory.EffectLine{line("type", string(n.Type), ""), line("interface", n.Bridge, place),
		line("ipv4", ipv4, "a free /24"), line("ipv6", ipv6, "none"), line("nat", yesNo(n.NAT), "")}
	if n.Type == inventory.NetworkMACVLAN {
		lines[0].Note = "its containers and this host don't reach each other, and traffic is not held to network.in and network.out"
	}
	if !n.IsManaged() {
		lines[2].Note = "who else hands out addresses there has to leave those alone that are given here; 'lodge address reserve' keeps others' from containers"
	}
	return lines
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// claim decides what the parameters leave open; it is the same when it runs again.
func (s *Service) claim(ctx context.Context, r *gate.Run) error {
	var args inventory.NetworkArgs
	var n inventory.Network
	if err := r.Decode(&args); err != nil || r.Load(madeKey, &n) {
		return err
	}
	n, wantIPv6, err := args.Network()
	if err != nil {
		return err
	}
	if n.IsManaged() {
		if n.Bridge, n.IPv4, err = s.host.Claim(ctx, n.Name, n.IPv4); err != nil {
			return err
		}
	}
	if wantIPv6 {
		n.IPv6 = s.ula()
	}
	n.CreatedAt = r.Operation.StartedAt
	return r.Save(madeKey, n)
}

func (s *Service) make(ctx context.Context, r *gate.Run) error {
	var n inventory.Network
	if !r.Load(madeKey, &n) {
		return fmt.Errorf("network %s was not claimed", r.Operation.Name)
	}
	return s.host.Ensure(ctx, n)
}

// unmake takes away what claim and make left, with nothing to go by but the name if it has to.
func (s *Service) unmake(ctx context.Context, r *gate.Run) error {
	n := inventory.Network{Name: r.Operation.Name}
	r.Load(madeKey, &n)
	return s.host.Remove(ctx, n)
}

func (s *Service) save(ctx context.Context, r *gate.Run) error {
	var n inventory.Network
	if !r.Load(madeKey, &n) {
		return fmt.Errorf("network %s was not claimed", r.Operation.Name)
	}
	return s.store.SaveNetwork(ctx, n)
}

func (s *Service) forget(ctx context.Context, r *gate.Run) error {
	return s.store.DeleteNetwork(ctx, r.Operation.Name)
}

func (s *Service) prepareUpdate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.NetworkUpdateArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	old, err := s.store.Network(ctx, args.Name)
	if err != nil {
		return nil, err
	}
	n, err := args.Apply(old)
	if err != nil {
		return nil, err
	}
	if old.Name == inventory.DefaultNetwork && (n.IPv4 != old.IPv4 || n.NAT != old.NAT) {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the subnet and NAT of the default network are settings of the host; 'lodge config set network.nat=false' changes it")
	}
	if n.IPv4 != old.IPv4 {
		if err := s.movable(ctx, old, n); err != nil {
			return nil, err
		}
	}
	if err := s.host.Check(n); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: changed(old, n)}, nil
}

// movable refuses another subnet while somebody has an address of this one, and names them.
func (s *Service) movable(ctx context.Context, old, n inventory.Network) error {
	held, err := s.store.HeldAddresses(ctx, old.Name)
	if err != nil {
		return err
	}
	var who []string
	for _, a := range held {
		if name := (inventory.Ref{Project: a.Project, Name: a.Name}).String(); !slices.Contains(who, name) {
			who = append(who, name)
		}
	}
	if len(who) > 0 {
		slices.Sort(who)
		return inventory.Errorf(inventory.ErrState, "network %s can't become %s while containers have addresses of %s: %s",
			old.Name, n.IPv4, old.IPv4.Masked(), strings.Join(who, ", "))
	}
	reserved, err := s.store.Reservations(ctx, old.Name)
	if err != nil {
		return err
	}
	for _, r := range reserved {
		if !n.IPv4.Contains(r.Range.From) || !n.IPv4.Contains(r.Range.To) {
			return inventory.Errorf(inventory.ErrState, "network %s can't become %s while %s is reserved; release it first",
				old.Name, n.IPv4, r.Range)
		}
	}
	return nil
}

func changed(old, n inventory.Network) []inventory.EffectLine {
	var lines []inventory.EffectLine
	add := func(field, before, after, note string) {
		if before != after {
			lines = append(lines, inventory.EffectLine{Field: field, Before: before, After: after, Effect: inventory.EffectLive, Note: note})
		}
	}
	add("ipv4", old.IPv4.String(), n.IPv4.String(), "")
	add("mtu", fmt.Sprint(old.MTU), fmt.Sprint(n.MTU), "containers take it over when they start")
	add("nat", yesNo(old.NAT), yesNo(n.NAT), "")
	add("purpose", old.Purpose, n.Purpose, "")
	return lines
}

// look notes the network as it is, for the way back and for taking it away.
func (s *Service) look(ctx context.Context, r *gate.Run) error {
	n, err := s.store.Network(ctx, r.Operation.Name)
	if errors.Is(err, inventory.ErrNotFound) && r.Load(beforeKey, &n) {
		return nil // a delete that goes on
	}
	if err != nil {
		return err
	}
	return r.Save(beforeKey, n)
}

func (s *Service) change(ctx context.Context, r *gate.Run) error {
	var args inventory.NetworkUpdateArgs
	var old inventory.Network
	if err := r.Decode(&args); err != nil {
		return err
	}
	r.Load(beforeKey, &old)
	n, err := args.Apply(old)
	if err != nil {
		return err
	}
	return s.put(ctx, old, n)
}

func (s *Service) changeBack(ctx context.Context, r *gate.Run) error {
	var args inventory.NetworkUpdateArgs
	var old inventory.Network
	if err := r.Decode(&args); err != nil || !r.Load(beforeKey, &old) {
		return err
	}
	n, err := args.Apply(old)
	if err != nil {
		return err
	}
	return s.put(ctx, n, old)
}

// put makes host and row those of n.
func (s *Service) put(ctx context.Context, old, n inventory.Network) error {
	if n.IPv4 != old.IPv4 && n.IsManaged() {
		if _, _, err := s.host.Claim(ctx, n.Name, n.IPv4); err != nil {
			return err
		}
	}
	if err := s.host.Ensure(ctx, n); err != nil {
		return err
	}
	return s.store.SaveNetwork(ctx, n)
}

func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.NetworkNameArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	n, err := s.store.Network(ctx, args.Name)
	if err != nil {
		return nil, err
	}
	if n.Name == inventory.DefaultNetwork {
		return nil, inventory.Errorf(inventory.ErrInvalid, "the default network stays: containers that name none are on it")
	}
	held, err := s.store.HeldAddresses(ctx, n.Name)
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		var who []string
		for _, a := range held {
			who = append(who, inventory.Ref{Project: a.Project, Name: a.Name}.String())
		}
		slices.Sort(who)
		return nil, inventory.Errorf(inventory.ErrState, "network %s is in use by %s; purge them first",
			n.Name, strings.Join(slices.Compact(who), ", "))
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "network", Before: fmt.Sprintf("%s (%s, %s)", n.Name, n.Bridge, n.IPv4.Masked()), Effect: inventory.EffectLive}}}, nil
}

func (s *Service) remove(ctx context.Context, r *gate.Run) error {
	var n inventory.Network
	if !r.Load(beforeKey, &n) {
		return fmt.Errorf("network %s was not looked at", r.Operation.Name)
	}
	return s.host.Remove(ctx, n)
}
