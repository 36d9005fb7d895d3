package network

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Occupied returns every prefix this host uses or can reach by a route of its own: addresses,
// gateways, and the routes of all tables (policy routing and VPNs have their own). Links named in
// except are left out: they are the bridges being planned.
func Occupied(except ...string) ([]netip.Prefix, error) {
	skip := map[int]bool{}
	for _, name := range except {
		if link, err := netlink.LinkByName(name); err == nil {
			skip[link.Attrs().Index] = true
		}
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read the host's addresses: %w", err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		if p, ok := toPrefix(a.IPNet); ok && !skip[a.LinkIndex] {
			out = append(out, p, single(p.Addr()))
		}
	}
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("read the host's routes: %w", err)
	}
	for _, r := range routes {
		if skip[r.LinkIndex] {
			continue
		}
		if p, ok := toPrefix(r.Dst); ok {
			out = append(out, p)
		}
		if gw, ok := netip.AddrFromSlice(r.Gw); ok {
			out = append(out, single(gw.Unmap()))
		}
	}
	return out, nil
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, bits := n.Mask.Size()
	a = a.Unmap()
	if a.Is4() && bits == 128 {
		ones -= 96
	}
	p := netip.PrefixFrom(a, ones)
	return p, p.IsValid()
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// defaultMTU is that of the link the default route leaves by, 1500 without one.
func defaultMTU() int {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteList(nil, family)
		if err != nil {
			continue
		}
		for _, r := range routes {
			if p, ok := toPrefix(r.Dst); r.LinkIndex == 0 || ok && p.Bits() > 0 {
				continue
			}
			if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil && link.Attrs().MTU > 0 {
				return link.Attrs().MTU
			}
		}
	}
	return 1500
}
