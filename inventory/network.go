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

// A Network is a managed bridge with an address plan.
type Network struct {
	Name   string
	Bridge string       // host interface, at most 15 characters
	IPv4   netip.Prefix // the gateway's address and the length: 10.86.0.1/24
	IPv6   netip.Prefix // a ULA /64: fd4c:.../64 with the gateway's address
	MTU    int          // 0: that of the default route
	NAT    bool
}

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
