package network

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
	"lodge/network/lease"
)

// Bindings returns, by network, what interfaces get that ask by DHCP: the address they have anyway.
func Bindings(containers []inventory.Container) map[string][]lease.Binding {
	out := map[string][]lease.Binding{}
	for i := range containers {
		c := &containers[i]
		if c.IsTrashed() {
			continue
		}
		for _, nic := range c.NICs {
			mac, err := net.ParseMAC(nic.MAC)
			if err != nil {
				continue
			}
			out[nic.Network] = append(out[nic.Network], lease.Binding{MAC: mac.String(), Name: c.Name,
				IPv4: nic.IPv4, IPv6: nic.IPv6, Search: searchOf(c.Project), Extra: nic.Device != ""})
		}
	}
	for _, list := range out {
		slices.SortStableFunc(list, func(a, b lease.Binding) int { return cmp.Compare(a.MAC, b.MAC) })
	}
	return out
}

// searchOf is the domains a container of a project looks names up in: its own first.
func searchOf(project string) []string {
	if project = cmp.Or(project, inventory.DefaultProject); project == inventory.DefaultProject {
		return []string{inventory.Domain}
	}
	return []string{project + "." + inventory.Domain, inventory.Domain}
}

// linkOf describes the bridge of a network as it is now; false while it is not there.
func linkOf(n inventory.Network) (lease.Link, bool) {
	link, err := netlink.LinkByName(n.Bridge)
	if err != nil {
		return lease.Link{}, false
	}
	a := link.Attrs()
	l := lease.Link{Network: n.Name, Bridge: n.Bridge, MAC: a.HardwareAddr.String(), IPv4: n.IPv4, MTU: a.MTU}
	if n.IPv6.IsValid() && HasIPv6() {
		l.IPv6, l.LinkLocal = n.IPv6, linkLocal(link)
	}
	return l, true
}

// linkLocal is the address routers are known by (RFC 4861, 6.1.2); zero without one.
func linkLocal(link netlink.Link) netip.Addr {
	addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, ok := toPrefix(a.IPNet); ok && p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// packetNames lists the packet sockets the networks need.
func packetNames(nets []inventory.Network) []string {
	var out []string
	for _, n := range nets {
		if link, err := netlink.LinkByName(n.Bridge); err == nil {
			out = append(out, lease.SocketNames(n.Bridge, link.Attrs().Index, n.IPv6.IsValid() && HasIPv6())...)
		}
	}
	return out
}
