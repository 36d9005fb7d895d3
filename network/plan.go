package network

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"net/netip"

	"lodge/inventory"
)

// Used reports whether an address is held by somebody, the trash included.
type Used func(netip.Addr) bool

// UsedSet makes a Used of a list.
func UsedSet(addrs ...netip.Addr) Used {
	set := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		set[a.Unmap()] = true
	}
	return func(a netip.Addr) bool { return set[a] }
}

// A Plan is the rule by which one network's addresses are given out. It holds no state.
type Plan struct {
	Network  string                   // named in errors
	IPv4     netip.Prefix             // the gateway's address and the length: 10.86.0.1/24
	IPv6     netip.Prefix             // the same for IPv6; zero for a network without
	Excluded []inventory.AddressRange // never given out
}

// PlanFor returns the plan of a network.
func PlanFor(n inventory.Network, excluded ...inventory.AddressRange) Plan {
	return Plan{Network: n.Name, IPv4: n.IPv4, IPv6: n.IPv6, Excluded: excluded}
}

// Next returns the lowest IPv4 address nobody holds. It is the same for the same arguments, so two
// callers that race ask for the same address and the store's unique index lets one of them ask
// again. ErrQuota: none is left.
func (p Plan) Next(used Used) (netip.Addr, error) {
	for a := p.IPv4.Masked().Addr(); a.IsValid() && p.IPv4.Contains(a); a = a.Next() {
		if p.reserved(a) == "" && !used(a) {
			return a, nil
		}
	}
	return netip.Addr{}, inventory.Errorf(inventory.ErrQuota,
		"no address is free in network %s (%s); purge containers from the trash, release reserved ones, or use another network",
		p.Network, p.IPv4.Masked())
}

// Check reports whether a chosen IPv4 address can be given out. ErrInvalid: it never can.
// ErrExists: somebody holds it.
func (p Plan) Check(a netip.Addr, used Used) error {
	a = a.Unmap()
	switch why := p.reserved(a); {
	case !a.Is4():
		return inventory.Errorf(inventory.ErrInvalid, "%s is no IPv4 address", a)
	case !p.IPv4.Contains(a):
		return inventory.Errorf(inventory.ErrInvalid, "%s lies outside of network %s (%s)",
			a, p.Network, p.IPv4.Masked())
	case why != "":
		return inventory.Errorf(inventory.ErrInvalid, "%s can't be given to this container: it is %s of network %s",
			a, why, p.Network)
	case used(a):
		return inventory.Errorf(inventory.ErrExists, "%s is held by another container in network %s", a, p.Network)
	}
	return nil
}

// reserved says what an address is kept for; "" for an address containers may have.
func (p Plan) reserved(a netip.Addr) string {
	if a == p.IPv4.Addr() {
		return "the gateway"
	}
	// RFC 3021: a /31 has neither a network nor a broadcast address.
	if p.IPv4.Bits() < 31 {
		if a == p.IPv4.Masked().Addr() {
			return "the network address"
		}
		if a == lastAddr(p.IPv4) {
			return "the broadcast address"
		}
	}
	for _, x := range p.Excluded {
		if x.Contains(a) {
			return "among the reserved addresses " + x.String()
		}
	}
	return ""
}

// IPv6For returns the IPv6 address that goes with an IPv4 address of the plan: the prefix with the
// host part of the IPv4 address. No two IPv4 addresses share one, none is the gateway, and nothing
// has to be stored to know it. Zero when the network has no IPv6.
func (p Plan) IPv6For(v4 netip.Addr) netip.Addr {
	if !p.IPv6.IsValid() || !v4.Is4() {
		return netip.Addr{}
	}
	raw := v4.As4()
	host := uint64(binary.BigEndian.Uint32(raw[:]) &^ mask4(p.IPv4.Bits()))
	a := withHost(p.IPv6, host)
	if a == p.IPv6.Addr() || a == p.IPv6.Masked().Addr() {
		// The gateway's host parts differ (10.86.0.254 and ::1), or the host part is 0 (RFC 4291,
		// 2.6.1: the subnet-router anycast address). IPv4 host parts end below 2^32.
		a = withHost(p.IPv6, 1<<32|host)
	}
	return a
}

// NIC returns the interface of a new container: the wanted IPv4 address if one is given and can be
// had, else the next free one, with the IPv6 address and the MAC that go with it.
func (p Plan) NIC(id inventory.ContainerID, n int, want netip.Addr, used Used) (inventory.NIC, error) {
	v4 := want.Unmap()
	var err error
	if v4.IsValid() {
		err = p.Check(v4, used)
	} else {
		v4, err = p.Next(used)
	}
	if err != nil {
		return inventory.NIC{}, err
	}
	return inventory.NIC{Network: p.Network, Name: fmt.Sprintf("eth%d", n), MAC: MAC(id, n),
		IPv4: v4, IPv6: p.IPv6For(v4), Index: n}, nil
}

// PlainNIC is an interface on no network: it has a MAC and no address.
func PlainNIC(id inventory.ContainerID, n int) inventory.NIC {
	return inventory.NIC{Name: fmt.Sprintf("eth%d", n), MAC: MAC(id, n), Index: n}
}

// Size is how many containers the plan has addresses for.
func (p Plan) Size() int {
	n := 0
	for a := p.IPv4.Masked().Addr(); a.IsValid() && p.IPv4.Contains(a); a = a.Next() {
		if p.reserved(a) == "" {
			n++
		}
	}
	return n
}

// MAC returns the hardware address of the n-th NIC of a container: always the same for the same
// container, locally administered and unicast (IEEE 802, the two low bits of the first byte).
func MAC(id inventory.ContainerID, n int) string {
	return stableMAC(fmt.Sprintf("nic %s %d", id, n)).String()
}

func stableMAC(seed string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("lodge mac " + seed))
	mac := net.HardwareAddr(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return mac
}

func mask4(bits int) uint32 { return ^uint32(uint64(1)<<(32-bits) - 1) }

func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(raw[:], binary.BigEndian.Uint32(raw[:])|^mask4(p.Bits()))
	return netip.AddrFrom4(raw)
}

// withHost puts a host number into the low bits of an IPv6 prefix.
func withHost(p netip.Prefix, host uint64) netip.Addr {
	base := p.Masked().Addr().As16()
	sum := new(big.Int).SetBytes(base[:])
	sum.Or(sum, new(big.Int).SetUint64(host))
	var out [16]byte
	sum.FillBytes(out[:])
	return netip.AddrFrom16(out)
}
