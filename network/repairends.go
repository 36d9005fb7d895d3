package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A wiring is what the host has on one end, and routes over it. lodge-lxc makes it so at every start.
type wiring struct {
	name      string
	addresses []netip.Prefix
	routes    []netip.Prefix
}

func wiringOf(c *inventory.Container, nic inventory.NIC) wiring {
	w := wiring{name: c.HostInterface(nic.Index)}
	for ip, gateway := range map[netip.Addr]netip.Addr{nic.IPv4: inventory.RoutedGateway4, nic.IPv6: inventory.RoutedGateway6} {
		if ip.IsValid() && (ip.Is4() || HasIPv6()) {
			w.addresses, w.routes = append(w.addresses, single(gateway)), append(w.routes, single(ip))
		}
	}
	return w
}

// put makes the end so.
func (w wiring) put(link netlink.Link) error {
	errs := []error{netlink.LinkSetUp(link)}
	for _, p := range w.addresses {
		errs = append(errs, netlink.AddrReplace(link, &netlink.Addr{IPNet: toIPNet(p), Scope: unix.RT_SCOPE_LINK, Flags: unix.IFA_F_NODAD}))
	}
	for _, p := range w.routes {
		errs = append(errs, netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: toIPNet(p), Scope: unix.RT_SCOPE_LINK}))
	}
	return errors.Join(errs...)
}

// wires are the addresses and routes the kernel has, by interface.
type wires map[int][]netip.Prefix

func readWires() (addresses, routes wires, err error) {
	addresses, routes = wires{}, wires{}
	have, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("read the host's addresses: %w", err)
	}
	for _, a := range have {
		if p, ok := toPrefix(a.IPNet); ok {
			addresses[a.LinkIndex] = append(addresses[a.LinkIndex], p)
		}
	}
	main := &netlink.Route{Table: unix.RT_TABLE_MAIN}
	all, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, main, netlink.RT_FILTER_TABLE)
	for _, r := range all {
		if p, ok := toPrefix(r.Dst); ok {
			routes[r.LinkIndex] = append(routes[r.LinkIndex], p)
		}
	}
	if err != nil {
		err = fmt.Errorf("read the host's routes: %w", err)
	}
	return addresses, routes, err
}

func (w wires) lacks(link int, want []netip.Prefix) bool {
	return slices.ContainsFunc(want, func(p netip.Prefix) bool { return !slices.Contains(w[link], p) })
}

// repairEnds puts addresses, routes and proxies of routed networks right. An end that is wrong at one
// look may be in the making; it is repaired when it still is at the next.
func (s *Service) repairEnds(e Estate, links map[string]netlink.Link) (repaired []string, err error) {
	networks, wrong := s.otherNetworks(), map[string]bool{}
	defer func() { s.wrong = wrong }()
	var addresses, routes wires
	for _, c := range e.Containers {
		for _, nic := range c.NICs {
			link := links[c.HostInterface(nic.Index)]
			if link == nil || !networks[nic.Network].IsRouted() {
				continue
			}
			if addresses == nil {
				if addresses, routes, err = readWires(); err != nil {
					return nil, err
				}
			}
			w, i := wiringOf(c, nic), link.Attrs().Index
			if link.Attrs().Flags&unix.IFF_UP != 0 && !addresses.lacks(i, w.addresses) && !routes.lacks(i, w.routes) {
				continue
			}
			if wrong[w.name] = true; s.wrong[w.name] {
				delete(wrong, w.name)
				repaired = append(repaired, "interface "+w.name+" of "+c.Ref().String())
				err = errors.Join(err, w.put(link))
			}
		}
	}
	proxied, err2 := s.repairProxies(e, networks, links)
	return append(repaired, proxied...), errors.Join(err, err2)
}

// repairProxies has parents answer again for whom they should.
func (s *Service) repairProxies(e Estate, networks map[string]inventory.Network,
	links map[string]netlink.Link) (repaired []string, err error) {
	have := map[string][]netip.Addr{}
	for _, c := range e.Containers {
		if c.IsTrashed() {
			continue
		}
		for _, p := range proxiesOf(networks, c) {
			parent := links[p.parent]
			if _, expected := s.ends[p.end]; parent == nil || !expected {
				continue // an interface that comes and goes, or a container that is about to go
			}
			if _, read := have[p.parent]; !read {
				if have[p.parent], err = proxiesAt(parent); err != nil {
					return repaired, err
				}
			}
			if !slices.Contains(have[p.parent], p.ip) {
				repaired = append(repaired, fmt.Sprintf("answers of %s for %s", p.parent, p.ip))
				err = errors.Join(err, p.add())
			}
		}
	}
	return repaired, err
}

func proxiesAt(parent netlink.Link) (out []netip.Addr, err error) {
	out = []netip.Addr{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		all, err := netlink.NeighProxyList(parent.Attrs().Index, family)
		if err != nil {
			return nil, fmt.Errorf("read whom %s answers for: %w", parent.Attrs().Name, err)
		}
		for _, n := range all {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, a.Unmap())
			}
		}
	}
	return out, nil
}
