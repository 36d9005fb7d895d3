package network

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// An end is the host's end of an interface that is no port of a bridge.
type end struct {
	container inventory.ContainerID
	network   string // "" for a plain pair
}

// endsOf are those of a container on the networks Ensure was told of, and its plain pairs.
func (s *Service) endsOf(c *inventory.Container, networks map[string]inventory.Network) map[string]end {
	out := map[string]end{}
	for _, nic := range c.NICs {
		if nic.IsPlain() || networks[nic.Network].IsRouted() {
			out[c.HostInterface(nic.Index)] = end{c.ID, nic.Network}
		}
	}
	return out
}

// allEnds are those that Guard was told of, and those of the estate.
func (s *Service) allEnds(e Estate) map[string]end {
	out := map[string]end{}
	networks := s.otherNetworks()
	for _, c := range e.Containers {
		for name, end := range s.endsOf(c, networks) {
			out[name] = end
		}
	}
	for name, end := range s.ends {
		out[name] = end
	}
	return out
}

// expect makes the rules ready for ends before they are there: what comes from an interface the rules
// don't know is the host's own affair. The parents of routed networks answer for them from now on; one
// that is not there has no neighbours to answer, and Repair makes up for it.
func (s *Service) expect(ctx context.Context, networks map[string]inventory.Network,
	all []*inventory.Container) error {
	var fresh []string
	for _, c := range all {
		for name, e := range s.endsOf(c, networks) {
			if s.ends[name] != e {
				s.ends[name] = e
				fresh = append(fresh, name)
			}
		}
		for _, p := range proxiesOf(networks, c) {
			if err := p.add(); err != nil {
				s.log.Error("a parent interface doesn't answer for a container", "container", c.Ref().String(),
					"parent", p.parent, "address", p.ip.String(), "error", err)
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err := s.applyRules(ctx)
	if err != nil {
		for _, name := range fresh {
			delete(s.ends, name) // so that the next try doesn't take them for known
		}
	}
	return err
}

// forgetEnds is expect's opposite.
func (s *Service) forgetEnds(networks map[string]inventory.Network, c *inventory.Container) error {
	for name := range s.endsOf(c, networks) {
		delete(s.ends, name)
	}
	var errs []error
	for _, p := range proxiesOf(networks, c) {
		if parent, err := netlink.LinkByName(p.parent); err == nil {
			if err := netlink.NeighDel(p.entry(parent)); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("stop answering for %s on %s: %w", p.ip, p.parent, err))
			}
		}
	}
	return errors.Join(errs...)
}

// guardOwner is what the table of the guards of a network's interfaces is called after: its bridge, or the
// network itself where there is none.
func (s *Service) guardOwner(n inventory.Network) string {
	if n.IsRouted() {
		return "routed_" + hex.EncodeToString(s.rootSum()) + "_" + n.Name
	}
	return n.Bridge
}

func (s *Service) otherNetworks() map[string]inventory.Network {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]inventory.Network, len(s.others))
	for name, n := range s.others {
		out[name] = n
	}
	return out
}

// ensureOther makes the host ready for a network that has no bridge of ours. Called with apply held.
func (s *Service) ensureOther(ctx context.Context, n inventory.Network) error {
	s.mu.Lock()
	s.others[n.Name] = n // whatever its parent: one that is missing may come back
	s.mu.Unlock()
	if err := checkParent(n); err != nil {
		return err
	}
	if !n.IsRouted() {
		return nil
	}
	if err := s.forwarding(n); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	if n.Bridge != "" && n.IPv6.IsValid() && HasIPv6() { // IPv4 needs no more than the entries of proxies
		if err := setSysctl("net/ipv6/conf/"+n.Bridge+"/proxy_ndp", "1"); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return s.applyRules(ctx)
}

func (s *Service) removeOther(ctx context.Context, n inventory.Network) error {
	s.mu.Lock()
	delete(s.others, n.Name)
	s.mu.Unlock()
	if n.IsRouted() {
		return errors.Join(removeGuards(ctx, s.guardOwner(n)), s.applyRules(ctx))
	}
	return removeGuards(ctx, n.Bridge)
}

// A proxy is an address the host answers for on the parent of a routed network (ip-neighbour(8)). The
// kernel does so only while it has a route to it elsewhere, for IPv4: not for a container that is stopped.
type proxy struct {
	end    string // the container's interface
	parent string
	ip     netip.Addr
}

func (p proxy) entry(parent netlink.Link) *netlink.Neigh {
	family := unix.AF_INET
	if p.ip.Is6() {
		family = unix.AF_INET6
	}
	return &netlink.Neigh{LinkIndex: parent.Attrs().Index, Family: family, Flags: netlink.NTF_PROXY, IP: p.ip.AsSlice()}
}

func proxiesOf(networks map[string]inventory.Network, c *inventory.Container) (out []proxy) {
	for _, nic := range c.NICs {
		n := networks[nic.Network]
		if !n.IsRouted() || n.Bridge == "" {
			continue
		}
		for _, ip := range []netip.Addr{nic.IPv4, nic.IPv6} {
			if ip.IsValid() && (ip.Is4() || HasIPv6()) {
				out = append(out, proxy{c.HostInterface(nic.Index), n.Bridge, ip})
			}
		}
	}
	return out
}

func (p proxy) add() error {
	parent, err := netlink.LinkByName(p.parent)
	if err != nil {
		return err
	}
	return netlink.NeighSet(p.entry(parent))
}
