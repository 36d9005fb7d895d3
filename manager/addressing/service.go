package addressing

import (
	"context"
	"net/netip"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Store keeps networks and reservations.
type Store interface {
	networks
	reservations
}

type networks interface {
	// Network finds one by name; ErrNotFound if there is none.
	Network(ctx context.Context, name string) (inventory.Network, error)
	Networks(ctx context.Context) ([]inventory.Network, error)
	SaveNetwork(ctx context.Context, n inventory.Network) error
	// DeleteNetwork refuses one that is used, and names who uses it.
	DeleteNetwork(ctx context.Context, name string) error
}

type reservations interface {
	Reservations(ctx context.Context, network string) ([]inventory.AddressReservation, error)
	SaveReservation(ctx context.Context, r inventory.AddressReservation) error
	DeleteReservation(ctx context.Context, network string, span inventory.AddressRange) error
	// HeldAddresses are those that containers of the network have, in the trash too.
	HeldAddresses(ctx context.Context, network string) ([]inventory.Address, error)
}

// Host makes networks real.
type Host interface {
	// Check refuses a network that can't be, or not on this host; nothing is changed.
	Check(n inventory.Network) error
	// Claim takes a bridge and a subnet for a managed network: ipv4 if it is valid, else a free one.
	Claim(ctx context.Context, name string, ipv4 netip.Prefix) (bridge string, subnet netip.Prefix, err error)
	// Ensure makes the host match the network, and Remove takes it away with its claim.
	Ensure(ctx context.Context, n inventory.Network) error
	Remove(ctx context.Context, n inventory.Network) error
}

// Service has the verbs. Safe for concurrent use.
type Service struct {
	store Store
	host  Host
	ula   func() netip.Prefix
	now   func() time.Time
}

// New returns a service without side effects. ula makes up the IPv6 prefix of a network.
func New(store Store, host Host, ula func() netip.Prefix, now func() time.Time) *Service {
	return &Service{store: store, host: host, ula: ula, now: now}
}

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	// What a step saves is durable when the next one begins: what was is noted first.
	look := gate.Step{Name: "look", Do: s.look}
	return []gate.Verb{
		{Name: "network.create", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "network create", Subject: networkSubject, Prepare: s.prepareCreate,
			Steps: []gate.Step{{Name: "claim", Do: s.claim, Undo: s.unmake},
				{Name: "ensure", Do: s.make}, {Name: "save", Do: s.save, Undo: s.forget}}},
		{Name: "network.update", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "network set", Subject: networkSubject, Prepare: s.prepareUpdate,
			Steps: []gate.Step{look, {Name: "change", Do: s.change, Undo: s.changeBack}}},
		{Name: "network.delete", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskHigh,
			Command: "network delete", Subject: networkSubject, Prepare: s.prepareDelete, Recovery: gate.RecoverFinish,
			Steps: []gate.Step{look, {Name: "forget", Do: s.forget}, {Name: "remove", Do: s.remove}}},
		{Name: "address.reserve", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskLow,
			Command: "address reserve", Subject: rangeSubject, Prepare: s.prepareReserve,
			Steps: []gate.Step{{Name: "look", Do: s.lookReserved}, {Name: "save", Do: s.reserve, Undo: s.reserveBack}}},
		{Name: "address.release", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskLow,
			Command: "address release", Subject: rangeSubject, Prepare: s.prepareRelease,
			Steps: []gate.Step{{Name: "look", Do: s.lookReserved}, {Name: "release", Do: s.release, Undo: s.reserveBack}}},
	}
}
