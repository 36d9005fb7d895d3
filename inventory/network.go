package inventory

import (
	"net/netip"
	"time"
)

// Domain is the zone every container name lives in. The name is reserved for private use
// (ICANN board resolution 2024.07.29.06), so it never collides with a public one.
const Domain = "lodge.internal"

// DefaultNetwork is the network of a container that names none, in a project that names none.
const DefaultNetwork = "default"

// NetworkType says what the interfaces of a network's containers are joined to.
type NetworkType string

const (
	// NetworkManaged: a bridge the agent makes, with addresses, names, rules and a way out.
	NetworkManaged NetworkType = "managed"
	// NetworkBridge: a bridge of the host, made by others; the agent only plans addresses on it.
	NetworkBridge NetworkType = "bridge"
	// NetworkMACVLAN: an interface of the host, beside the host's own use of it. The containers
	// reach what it is wired to, and not the host (ip-link(8), macvlan mode bridge).
	NetworkMACVLAN NetworkType = "macvlan"
	// NetworkRouted: no bridge at all. The host has a route to each address over a pair of its own, and
	// answers for it on the parent interface, if there is one.
	NetworkRouted NetworkType = "routed"
)

// What the containers of routed networks send everything to: the host's ends of their pairs have these.
// 169.254.0.0/24 is kept from what gives out link-local addresses (RFC 3927, 2.1).
var (
	RoutedGateway4 = netip.MustParseAddr("169.254.0.1")
	RoutedGateway6 = netip.MustParseAddr("fe80::1")
)

// A Network is an address plan, and what the interfaces on it are joined to.
type Network struct {
	Name    string
	Type    NetworkType  // empty means managed
	Bridge  string       // the bridge, with macvlan the interface, with routed the parent or ""; at most 15 characters
	IPv4    netip.Prefix // the gateway's address and the length: 10.86.0.1/24
	IPv6    netip.Prefix // the same of a /64; managed networks have a ULA (RFC 4193)
	MTU     int          // 0: that of the default route, or of the host's interface
	NAT     bool
	Purpose string

	CreatedAt time.Time // zero for the default network
}

// IsManaged reports whether the bridge, its addresses and its rules are the agent's.
func (n Network) IsManaged() bool { return n.Type == "" || n.Type == NetworkManaged }

// IsRouted reports whether the host has a route to each of its containers instead of a bridge.
func (n Network) IsRouted() bool { return n.Type == NetworkRouted }

// An Address is one row of the address plan's history: who had it from when to when.
type Address struct {
	Network   string
	IP        netip.Addr
	Container ContainerID
	Name      string
	Project   string
	From      time.Time
	To        time.Time // zero while it is held
}
