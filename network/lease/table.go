// Package lease answers DHCPv4, DHCPv6 and router solicitations on the bridges. There is nothing to
// lease: who has which address is state, told by the agent as a list of [Link], and everybody gets
// exactly that. Who isn't in the list gets no answer.
//
// It works on packet sockets it is handed. So it knows the sender's hardware address from the frame
// and not from what the sender claims, answers that sender alone, and depends on no firewall.
package lease

import (
	"net"
	"net/netip"
	"slices"
	"time"
)

// leaseTime is how long a client may do without us. Addresses never move, so it is long: the clients
// of a host whose agent is down have to live through a weekend. They ask again at half of it.
const leaseTime = 72 * time.Hour

// A Link is one bridge: what its clients are told, and who they are.
type Link struct {
	Network   string       `json:"network"`
	Bridge    string       `json:"bridge"`
	MAC       string       `json:"mac"`       // the bridge's own
	LinkLocal netip.Addr   `json:"linkLocal"` // of the bridge; zero: no router advertisements, no DHCPv6
	IPv4      netip.Prefix `json:"ipv4"`      // the gateway's address and the length
	IPv6      netip.Prefix `json:"ipv6"`      // zero without IPv6
	MTU       int          `json:"mtu"`
	Bindings  []Binding    `json:"bindings"`
}

// A Binding is what one interface of a container gets.
type Binding struct {
	MAC    string     `json:"mac"` // as net.HardwareAddr prints it
	Name   string     `json:"name"`
	IPv4   netip.Addr `json:"ipv4"`
	IPv6   netip.Addr `json:"ipv6"`   // zero without
	Search []string   `json:"search"` // domains names are looked up in, its own first
	// Extra is an interface beside the container's first, which alone leads out and to the names.
	Extra bool `json:"extra,omitempty"`
}

// Same reports whether two links are told alike.
func (l Link) Same(o Link) bool {
	return l.Network == o.Network && l.Bridge == o.Bridge && l.MAC == o.MAC && l.LinkLocal == o.LinkLocal &&
		l.IPv4 == o.IPv4 && l.IPv6 == o.IPv6 && l.MTU == o.MTU &&
		slices.EqualFunc(l.Bindings, o.Bindings, Binding.same)
}

func (b Binding) same(o Binding) bool {
	return b.MAC == o.MAC && b.Name == o.Name && b.IPv4 == o.IPv4 && b.IPv6 == o.IPv6 && b.Extra == o.Extra && slices.Equal(b.Search, o.Search)
}

// hardware is a MAC as a map's key.
type hardware [6]byte

func (h hardware) mac() net.HardwareAddr { return h[:] }

func parseHardware(text string) (h hardware, ok bool) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != len(h) {
		return h, false
	}
	return hardware(mac), true
}

// served is a link made ready for look-up. It is never changed.
type served struct {
	Link
	mac     hardware
	clients map[hardware]*client
}

// client is a binding with its share of our time.
type client struct {
	Binding
	limit *bucket
}

// newServed keeps the buckets of clients that were there before: a change of the table must not refill
// what one of them has used up.
func newServed(l Link, before *served) *served {
	s := &served{Link: l, clients: make(map[hardware]*client, len(l.Bindings))}
	s.mac, _ = parseHardware(l.MAC)
	for _, b := range l.Bindings {
		h, ok := parseHardware(b.MAC)
		if !ok {
			continue
		}
		c := &client{Binding: b}
		if before != nil && before.clients[h] != nil {
			c.limit = before.clients[h].limit
		} else {
			c.limit = &bucket{}
		}
		s.clients[h] = c
	}
	return s
}
