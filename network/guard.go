package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
)

// The kinds of forged frames that are counted apart, as comments of the rules that drop them.
const (
	ForgedMAC   = "mac"
	ForgedARP   = "arp"
	ForgedIPv4  = "ipv4"
	ForgedIPv6  = "ipv6"
	ForgedND    = "nd"
	ForgedDHCP  = "dhcp"
	ForgedRA    = "ra"    // router advertisements and redirects
	ForgedOther = "other" // neither ARP nor IP: VLAN tags, spanning tree
)

// guardPriority is before the limits of shape.go, so that forged frames use up nobody's rate.
const guardPriority = -300

// Guard lets each of the containers' interfaces send only as itself: its MAC, its addresses, no
// offers of DHCP and no advertisements of routers. It is called before a start, and holds until
// Unguard, over reboots of the container's own. Interfaces of a network that is not given are left
// alone.
//
// Kernels from 6.16 on hang a chain on an interface that comes later, by its name. For older ones the
// script is left in RUNDIR/guards for lodge-hook, which runs it before the container's init.
//
// ErrUnavailable: nftables can't be used; the container must not start then.
func (s *Service) Guard(ctx context.Context, networks map[string]inventory.Network,
	all ...*inventory.Container) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	if err := s.expect(ctx, networks, all); err != nil {
		return err
	}
	guards := s.guards(networks, all)
	write := func() error { return writeGuards(guards).run(ctx) }
	if len(guards) == 0 || s.alone(write) == nil {
		return s.leaveToHook(all, "")
	}
	var errs []error
	for _, c := range all { // one that can't be must not keep the others from it
		errs = append(errs, s.guardAlone(ctx, networks, c))
	}
	return errors.Join(errs...)
}

func (s *Service) guardAlone(ctx context.Context, networks map[string]inventory.Network,
	c *inventory.Container) error {
	later := &script{}
	one := []*inventory.Container{c}
	for _, g := range s.guards(networks, one) {
		now := writeGuards([]guard{g})
		switch err := now.run(ctx); {
		case err == nil:
		case isLink(g.iface):
			return inventory.Errorf(inventory.ErrUnavailable, "%s can't be kept from forging addresses: %v", c.Ref(), err)
		default:
			later.WriteString(now.String())
		}
	}
	return s.leaveToHook(one, later.String())
}

func (s *Service) guards(networks map[string]inventory.Network, all []*inventory.Container) (out []guard) {
	for _, c := range all {
		for i := range c.NICs {
			n, ok := networks[c.NICs[i].Network]
			if !ok || n.Type == inventory.NetworkMACVLAN { // which has no end on the host
				continue
			}
			g := guardOf(c, i, n)
			g.bridge = s.guardOwner(n)
			g.alone, g.gatewayMAC = n.IsManaged() && !s.judgesBridge(n), s.bridgeMAC(n)
			out = append(out, g)
		}
	}
	return out
}

func isLink(name string) bool {
	_, err := netlink.LinkByName(name)
	return err == nil
}

// leaveToHook keeps the script that a start of each container has to run; none when it is empty.
func (s *Service) leaveToHook(all []*inventory.Container, text string) error {
	for _, c := range all {
		path := filepath.Join(s.cfg.RunDir, "guards", string(c.ID))
		if text == "" {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := writeFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Unguard takes away what Guard made, when the container goes for good. What isn't there is no error.
func (s *Service) Unguard(ctx context.Context, networks map[string]inventory.Network,
	c *inventory.Container) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	if err := s.forgetEnds(networks, c); err != nil {
		return err
	}
	for _, g := range s.guards(networks, []*inventory.Container{c}) {
		have, err := nftList(ctx, "list", "chain", "netdev", tableName(g.bridge), g.iface)
		if err != nil {
			return err
		}
		if have == nil {
			continue
		}
		out := &script{}
		out.add("flush chain netdev %s %s", tableName(g.bridge), g.iface)
		out.add("delete chain netdev %s %s", tableName(g.bridge), g.iface)
		if err := s.alone(func() error { return out.run(ctx) }); err != nil {
			return err
		}
	}
	return s.leaveToHook([]*inventory.Container{c}, "")
}

// removeGuards takes away the guards of all interfaces of a bridge.
func removeGuards(ctx context.Context, bridge string) error {
	out := &script{}
	out.add("add table netdev %s", tableName(bridge)) // so that deleting a missing table is no error
	out.add("delete table netdev %s", tableName(bridge))
	return out.run(ctx)
}

// A guard is what one interface may send as.
type guard struct {
	iface, bridge string
	mac           string
	v4            []netip.Addr
	v6            []netip.Addr // the link-local address among them
	// alone keeps the interface from its neighbours: it may talk to the gateways only.
	alone      bool
	gateways   [2]netip.Prefix // IPv4 and IPv6, as of inventory.Network
	gatewayMAC string
}

// guardOf lets an interface send from what the container has on that network by all its interfaces: with
// two on one network the kernel answers through either.
func guardOf(c *inventory.Container, i int, n inventory.Network) guard {
	nic := c.NICs[i]
	g := guard{iface: c.HostInterface(nic.Index), bridge: n.Bridge, mac: nic.MAC,
		gateways: [2]netip.Prefix{n.IPv4, n.IPv6}}
	for _, own := range c.NICs {
		if own.Network == nic.Network && own.IPv4.IsValid() {
			g.v4 = append(g.v4, own.IPv4)
		}
		if own.Network == nic.Network && own.IPv6.IsValid() {
			g.v6 = append(g.v6, own.IPv6.WithZone(""))
		}
	}
	if ll := LinkLocal(nic.MAC); ll.IsValid() {
		g.v6 = append(g.v6, ll)
	}
	return g
}

// LinkLocal is the address the kernel makes of a MAC (RFC 4291, appendix A). One chosen at random
// can't be told from somebody else's, so no other is let through. Zero for what is no MAC.
func LinkLocal(text string) netip.Addr {
	m, err := net.ParseMAC(text)
	if err != nil || len(m) != 6 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe,
		13: m[3], 14: m[4], 15: m[5]})
}

// writeGuards replaces the rules of each interface. A chain is never deleted, so there is no moment
// without it.
func writeGuards(all []guard) *script {
	out := &script{}
	for _, g := range all {
		table := tableName(g.bridge)
		out.add("add table netdev %s { comment \"Lodge, what interfaces may send as\"; }", table)
		out.add("add chain netdev %s %s { type filter hook ingress device %q priority %d; }",
			table, g.iface, g.iface, guardPriority)
		out.add("flush chain netdev %s %s", table, g.iface)
		for _, rule := range g.rules() {
			if text, kind, drops := strings.Cut(rule, " #"); drops {
				rule = fmt.Sprintf("%s counter drop comment %q", text, kind)
			}
			out.add("add rule netdev %s %s %s", table, g.iface, rule)
		}
	}
	return out
}

// rules are in the order in which the kernel looks at them; "#KIND" drops and counts.
func (g guard) rules() []string {
	v4, v6, targets := g.sets()
	rules := []string{
		fmt.Sprintf("ether saddr != %s #%s", g.mac, ForgedMAC),
		"ether type != { ip, ip6, arp } #" + ForgedOther,
	}
	if !g.alone { // most of all frames, none of which the rest is about
		rules = append(rules, fmt.Sprintf("ip saddr %s ip protocol tcp accept", v4),
			fmt.Sprintf("ip6 saddr { %s } ip6 nexthdr tcp accept", v6))
	}
	rules = append(rules,
		fmt.Sprintf("arp htype 1 arp ptype ip arp saddr ether %s arp saddr ip %s accept", g.mac, v4),
		// RFC 5227, 1.1: a probe has no sender; one for somebody else's address would make them give it up.
		fmt.Sprintf("arp operation request arp saddr ether %s arp saddr ip 0.0.0.0 arp daddr ip %s accept", g.mac, v4),
		"ether type arp #"+ForgedARP,
		"udp sport { 67, 547 } #"+ForgedDHCP,
		"icmpv6 type { nd-router-advert, nd-redirect } #"+ForgedRA,
		"icmp type redirect #"+ForgedRA,
		// RFC 4861, 4.4 and 4.3: the target is the first field after the type's own 8 bytes.
		fmt.Sprintf("icmpv6 type nd-neighbor-advert @th,64,128 != %s #%s", targets, ForgedND),
		fmt.Sprintf("ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 != %s #%s", targets, ForgedND))
	rules = append(rules, g.aloneRules()...)
	return append(rules,
		// What asks for an address has none: RFC 2131, 4.1; RFC 4862, 5.4.2; RFC 3810, 5.2.13.
		"ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
		"ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept",
		fmt.Sprintf("ether type ip ip saddr != %s #%s", v4, ForgedIPv4),
		fmt.Sprintf("ether type ip6 ip6 saddr != { %s } #%s", v6, ForgedIPv6))
}

// aloneRules drop what would reach a neighbour where nothing judges it on its way.
func (g guard) aloneRules() []string {
	if !g.alone {
		return nil
	}
	v4 := g.gateways[0]
	rules := []string{fmt.Sprintf("ip daddr %s ip daddr != %s #%s", v4.Masked(), v4.Addr(), ForgedOther),
		fmt.Sprintf("ip daddr 224.0.0.0/4 #%s", ForgedOther)}
	if v6 := g.gateways[1]; v6.IsValid() {
		rules = append(rules, fmt.Sprintf("ip6 daddr %s ip6 daddr != %s #%s", v6.Masked(), v6.Addr(), ForgedOther))
	}
	own := LinkLocal(g.gatewayMAC)
	if !own.IsValid() {
		own = netip.IPv6Unspecified()
	}
	return append(rules,
		fmt.Sprintf("ip6 daddr fe80::/10 ip6 daddr != %s icmpv6 type != { nd-neighbor-solicit, nd-neighbor-advert } #%s",
			own, ForgedOther),
		fmt.Sprintf("ip6 daddr fe80::/10 ip6 daddr != %s meta l4proto != ipv6-icmp #%s", own, ForgedOther))
}

// nobodyV4 and nobodyV6 are addresses nothing is sent from, for interfaces that have none.
const (
	nobodyV4 = "255.255.255.255"
	nobodyV6 = "ff02::1"
)

// sets are the addresses as nft writes them: IPv4, IPv6, and the numbers raw payload is compared with.
func (g guard) sets() (v4, v6, targets string) {
	v4 = nobodyV4
	if len(g.v4) > 0 {
		v4 = fmt.Sprint(g.v4)
		v4 = "{ " + strings.ReplaceAll(v4[1:len(v4)-1], " ", ", ") + " }"
	}
	all := g.v6
	if len(all) == 0 {
		all = []netip.Addr{netip.MustParseAddr(nobodyV6)}
	}
	var names, raw []string
	for _, a := range all {
		names = append(names, a.String())
		raw = append(raw, fmt.Sprintf("0x%x", a.As16()))
	}
	return v4, strings.Join(names, ", "), "{ " + strings.Join(raw, ", ") + " }"
}
