package wire

import (
	"cmp"
	"time"

	"lodge/inventory"
)

// A Network is an address plan, and what the interfaces on it are joined to.
type Network struct {
	Name      string                `json:"name"`
	Type      inventory.NetworkType `json:"type" enum:"managed,bridge,macvlan,routed"`
	Bridge    string                `json:"bridge" doc:"The bridge; with macvlan the host's interface, with routed the parent, if there is one."`
	IPv4      string                `json:"ipv4,omitempty" doc:"The gateway's address and the length."`
	IPv6      string                `json:"ipv6,omitempty"`
	MTU       int                   `json:"mtu,omitempty"`
	NAT       bool                  `json:"nat"`
	Purpose   string                `json:"purpose,omitempty"`
	CreatedAt *time.Time            `json:"created_at,omitempty"`
}

// FromNetwork writes a network.
func FromNetwork(n inventory.Network) Network {
	out := Network{Name: n.Name, Type: cmp.Or(n.Type, inventory.NetworkManaged), Bridge: n.Bridge,
		IPv4: prefix(n.IPv4), IPv6: prefix(n.IPv6), MTU: n.MTU, NAT: n.NAT, Purpose: n.Purpose}
	if !n.CreatedAt.IsZero() {
		at := n.CreatedAt.UTC()
		out.CreatedAt = &at
	}
	return out
}

// A Reservation keeps addresses from containers: from all, or from all but one.
type Reservation struct {
	Network   string    `json:"network"`
	Range     string    `json:"range" example:"10.86.0.100-10.86.0.120"`
	For       string    `json:"for,omitempty" doc:"The container that may have them."`
	Note      string    `json:"note,omitempty"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// FromReservation writes a reservation.
func FromReservation(r inventory.AddressReservation) Reservation {
	out := Reservation{Network: r.Network, Range: r.Range.String(), Note: r.Note,
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC()}
	if r.For != (inventory.Ref{}) {
		out.For = r.For.String()
	}
	return out
}
