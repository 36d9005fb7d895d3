package network

import (
	"fmt"

	"lodge/inventory"
)

// A Warning is something on the host that keeps containers from the network and that Lodge does
// not change, because somebody else owns it.
type Warning struct {
	Code string // "ipv6", "resolver", "subnet"
	Text string // what is wrong
	Fix  string // what would help; "" when there is nothing to type
}

// Warnings looks at the host as it is now. It changes nothing. Other firewalls are for lodge doctor to tell of.
func (s *Service) Warnings() []Warning {
	var out []Warning
	for _, n := range s.networks() {
		if n.IPv6.IsValid() && !HasIPv6() {
			out = append(out, Warning{"ipv6", "IPv6 is disabled on this host: containers have only IPv4", ""})
		}
		out = append(out, s.overlapWarnings(n)...)
	}
	if len(s.upstreamServers()) == 0 {
		out = append(out, Warning{"resolver",
			"the host has no name server: containers resolve only " + inventory.Domain,
			"lodge config set dns.upstream=ADDRESS"})
	}
	return out
}

// overlapWarnings tells of routes that came after the claim and cover the same addresses.
func (s *Service) overlapWarnings(n inventory.Network) []Warning {
	occupied, err := Occupied(n.Bridge)
	if err != nil {
		return nil
	}
	for _, p := range occupied {
		if p.Bits() > widePrefix && p.Addr().Is4() && p.Overlaps(n.IPv4) {
			return []Warning{{"subnet", fmt.Sprintf(
				"the host now uses %s too, which overlaps network %s (%s): one of them is unreachable from the other",
				p.Masked(), n.Name, n.IPv4.Masked()), ""}}
		}
	}
	return nil
}
