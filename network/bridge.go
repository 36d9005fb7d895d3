package network

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// bridgeAlias marks a bridge as made by the agent of root: ip-link(8) shows it.
func bridgeAlias(root string) string { return "lodge " + root }

// ensureBridge makes the bridge match the network. A bridge that is right is not touched, so no
// packet is lost; one that isn't is repaired in place, with its ports.
func (s *Service) ensureBridge(n inventory.Network) error {
	link, err := s.bridgeLink(n)
	if err != nil {
		return err
	}
	if err := s.bridgeSysctls(n); err != nil {
		return err
	}
	if err := s.bridgeAddresses(link, n); err != nil {
		return err
	}
	if link.Attrs().Flags&unix.IFF_UP == 0 {
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring up bridge %s: %w", n.Bridge, err)
		}
	}
	return nil
}

// bridgeLink finds or makes the bridge, with its MAC and MTU.
func (s *Service) bridgeLink(n inventory.Network) (netlink.Link, error) {
	mtu := n.MTU
	if mtu == 0 {
		mtu = defaultMTU()
	}
	// Without a fixed MAC a bridge takes the lowest of its ports' and changes it as they come and
	// go, which empties every neighbour cache; without ports it has none, and no link-local
	// address either.
	mac := s.bridgeMAC(n)
	link, err := netlink.LinkByName(n.Bridge)
	if _, missing := err.(netlink.LinkNotFoundError); missing {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.HardwareAddr = n.Bridge, mtu, parseMAC(mac)
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: new(bool)}); err != nil {
			return nil, fmt.Errorf("make bridge %s: %w", n.Bridge, err)
		}
		s.log.Info("made a bridge", "bridge", n.Bridge, "mac", mac, "mtu", mtu)
		link, err = netlink.LinkByName(n.Bridge)
	}
	if err != nil {
		return nil, fmt.Errorf("find bridge %s: %w", n.Bridge, err)
	}
	return link, s.repairLink(link, mac, mtu)
}

func (s *Service) bridgeMAC(n inventory.Network) string {
	return stableMAC("bridge " + s.cfg.Root + " " + n.Bridge).String()
}

// repairLink puts alias, MAC and MTU right. A link of that name that isn't ours is refused.
func (s *Service) repairLink(link netlink.Link, mac string, mtu int) error {
	a := link.Attrs()
	if link.Type() != "bridge" {
		return inventory.Errorf(inventory.ErrExists,
			"%s is a %s and no bridge; rename it, or give the network another bridge", a.Name, link.Type())
	}
	if want := bridgeAlias(s.cfg.Root); a.Alias != want {
		if a.Alias != "" {
			return inventory.Errorf(inventory.ErrExists,
				"bridge %s belongs to %q; give the network another bridge", a.Name, a.Alias)
		}
		if err := netlink.LinkSetAlias(link, want); err != nil {
			return fmt.Errorf("mark bridge %s: %w", a.Name, err)
		}
	}
	// A container that claims to ask for multicast groups, or to have joined one, must not decide who
	// gets what is sent to all DHCPv6 servers.
	if b, ok := link.(*netlink.Bridge); ok && b.MulticastSnooping != nil && *b.MulticastSnooping {
		// Not as it was read: the kernel refuses some of what it tells.
		bare := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: new(bool)}
		bare.Name, bare.Index = a.Name, a.Index
		if err := netlink.LinkModify(bare); err != nil {
			return fmt.Errorf("set up bridge %s: %w", a.Name, err)
		}
	}
	if a.HardwareAddr.String() != mac {
		s.log.Warn("put the bridge's MAC right", "bridge", a.Name, "was", a.HardwareAddr.String(), "is", mac)
		if err := netlink.LinkSetHardwareAddr(link, parseMAC(mac)); err != nil {
			return fmt.Errorf("set the MAC of bridge %s: %w", a.Name, err)
		}
	}
	if a.MTU != mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set the MTU of bridge %s to %d: %w", a.Name, mtu, err)
		}
	}
	return nil
}

// bridgeAddresses gives the bridge exactly the gateway addresses; link-local ones are the kernel's.
func (s *Service) bridgeAddresses(link netlink.Link, n inventory.Network) error {
	wanted := map[netip.Prefix]bool{n.IPv4: true}
	if n.IPv6.IsValid() && HasIPv6() {
		wanted[n.IPv6] = true
	}
	have, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("read the addresses of bridge %s: %w", n.Bridge, err)
	}
	for _, a := range have {
		p, ok := toPrefix(a.IPNet)
		switch {
		case !ok || p.Addr().IsLinkLocalUnicast():
		case wanted[p]:
			delete(wanted, p)
		default:
			s.log.Warn("take a foreign address off the bridge", "bridge", n.Bridge, "address", p.String())
			if err := netlink.AddrDel(link, &a); err != nil {
				return fmt.Errorf("take %s off bridge %s: %w", p, n.Bridge, err)
			}
		}
	}
	for p := range wanted {
		addr := &netlink.Addr{IPNet: toIPNet(p)}
		if p.Addr().Is6() {
			// Duplicate address detection would keep it unusable for a second or more, and for
			// ever while the bridge has no port.
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("give %s to bridge %s: %w", p, n.Bridge, err)
		}
	}
	return nil
}

// removeBridge deletes the bridge if it is ours; a missing one is no error.
func (s *Service) removeBridge(n inventory.Network) error {
	link, err := netlink.LinkByName(n.Bridge)
	if _, missing := err.(netlink.LinkNotFoundError); missing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", n.Bridge, err)
	}
	if link.Attrs().Alias != bridgeAlias(s.cfg.Root) {
		return inventory.Errorf(inventory.ErrDenied,
			"bridge %s was not made by the agent of %s; remove it with 'ip link delete %s'",
			n.Bridge, s.cfg.Root, n.Bridge)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove bridge %s: %w", n.Bridge, err)
	}
	return nil
}
