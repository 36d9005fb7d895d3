package inventory

import (
	"errors"
	"net/netip"
	"strings"
)

// NetworkArgs are the parameters of network.create.
type NetworkArgs struct {
	Name    string      `json:"name" doc:"A DNS label."`
	Type    NetworkType `json:"type,omitempty" enum:"managed,bridge,macvlan,routed" doc:"managed when empty."`
	Parent  string      `json:"parent,omitempty" doc:"The host's bridge or interface; not of a managed network. Of a routed one: where the host answers for its containers."`
	IPv4    string      `json:"ipv4,omitempty" doc:"The gateway's address with the length. A free /24 when empty; needed of other types." example:"10.99.0.1/24"`
	IPv6    string      `json:"ipv6,omitempty" doc:"The gateway's address with /64, or none. A random ULA when empty, and none of other types."`
	MTU     int         `json:"mtu,omitempty" doc:"0: the host's."`
	NoNAT   bool        `json:"no_nat,omitempty" doc:"Routed: others reach the containers by their own addresses."`
	Purpose string      `json:"purpose,omitempty"`
}

// noIPv6 is how a network without IPv6 is asked for.
const noIPv6 = "none"

// Network checks the parameters. What the agent chooses is left zero: the bridge of a managed
// network, its subnet if none is given, and, where wantIPv6 is true, its ULA.
func (a NetworkArgs) Network() (n Network, wantIPv6 bool, err error) {
	n = Network{Name: a.Name, Type: a.Type, MTU: a.MTU, Bridge: a.Parent, Purpose: strings.TrimSpace(a.Purpose)}
	if n.Type == "" {
		n.Type = NetworkManaged
	}
	if err := errors.Join(CheckName("the network", a.Name), CheckLine("the purpose", n.Purpose)); err != nil {
		return n, false, err
	}
	if n.IPv4, err = gatewayOf(a.IPv4, "10.99.0.1/24", netip.Addr.Is4); err != nil {
		return n, false, err
	}
	if a.IPv6 != noIPv6 {
		if n.IPv6, err = gatewayOf(a.IPv6, "fd00:1:2:3::1/64", netip.Addr.Is6); err != nil {
			return n, false, err
		}
	}
	n.NAT = n.IsManaged() && !a.NoNAT
	return n, n.IsManaged() && a.IPv6 == "", a.checkType(n)
}

func (a NetworkArgs) checkType(n Network) error {
	switch n.Type {
	case NetworkManaged:
		if a.Parent != "" {
			return Errorf(ErrInvalid, "the bridge of a managed network is the agent's own; leave --parent out, or say --type bridge")
		}
	case NetworkBridge, NetworkMACVLAN, NetworkRouted:
		if a.Parent == "" && !n.IsRouted() || len(a.Parent) > 15 || strings.ContainsAny(a.Parent, "/ \t\n") {
			return Errorf(ErrInvalid, "a network of type %s needs --parent, the name of an interface of the host", n.Type)
		}
		if !n.IPv4.IsValid() {
			return Errorf(ErrInvalid, "a network of type %s needs --ipv4, the address of its router with the length, like 192.168.1.1/24", n.Type)
		}
		if a.NoNAT {
			return Errorf(ErrInvalid, "only a managed network has NAT to leave out")
		}
	default:
		return Errorf(ErrInvalid, "%q is no type of network; it is managed, bridge, macvlan or routed", n.Type)
	}
	return nil
}

// gatewayOf reads a gateway's address with the length of its network; zero for "".
func gatewayOf(text, example string, family func(netip.Addr) bool) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || !family(p.Addr()) {
		return p, Errorf(ErrInvalid, "%q is no gateway's address with a length, like %s", text, example)
	}
	if p.Addr() == p.Masked().Addr() {
		return p, Errorf(ErrInvalid, "%s is the network's own address; give the gateway's, like %s",
			text, netip.PrefixFrom(p.Addr().Next(), p.Bits()))
	}
	return p, nil
}

// NetworkUpdateArgs are the parameters of network.update; nil leaves a field as it is.
type NetworkUpdateArgs struct {
	Name    string  `json:"name,omitempty"`
	IPv4    *string `json:"ipv4,omitempty" doc:"Another subnet, while no container has an address on it."`
	MTU     *int    `json:"mtu,omitempty"`
	NAT     *bool   `json:"nat,omitempty"`
	Purpose *string `json:"purpose,omitempty"`
}

// Apply returns the network as it is to be.
func (a NetworkUpdateArgs) Apply(n Network) (Network, error) {
	if a.IPv4 != nil {
		p, err := gatewayOf(*a.IPv4, "10.99.0.1/24", netip.Addr.Is4)
		if err != nil || !p.IsValid() {
			return n, Errorf(ErrInvalid, "%q is no gateway's address with a length, like 10.99.0.1/24", *a.IPv4)
		}
		n.IPv4 = p
	}
	if a.MTU != nil {
		n.MTU = *a.MTU
	}
	if a.NAT != nil {
		if !n.IsManaged() && *a.NAT {
			return n, Errorf(ErrInvalid, "network %s is the host's own, so the agent translates no addresses on it", n.Name)
		}
		n.NAT = *a.NAT
	}
	if a.Purpose != nil {
		n.Purpose = strings.TrimSpace(*a.Purpose)
		if err := CheckLine("the purpose", n.Purpose); err != nil {
			return n, err
		}
	}
	return n, nil
}

// NetworkNameArgs are the parameters of network.delete.
type NetworkNameArgs struct {
	Name string `json:"name"`
}

// ReserveArgs are the parameters of address.reserve.
type ReserveArgs struct {
	Network string `json:"network,omitempty" doc:"default when empty."`
	Range   string `json:"range" doc:"One address, two with a dash between them, or a prefix." example:"10.86.0.100-10.86.0.120"`
	For     string `json:"for,omitempty" doc:"The one container that may have them, there already or not: NAME or PROJECT/NAME."`
	Note    string `json:"note,omitempty"`
}

// ReleaseArgs are the parameters of address.release.
type ReleaseArgs struct {
	Network string `json:"network,omitempty" doc:"default when empty."`
	Range   string `json:"range" doc:"As it was reserved."`
}
