package network

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/nft"
)

// CheckTime is how often Repair is to be called: what others break holds for that long.
const CheckTime = 2 * time.Second

// Repair looks whether the host is as Ensure, Guard and ApplyRules left it, and makes it so again. It
// returns what somebody else had changed. A look that finds nothing costs three messages to the kernel:
// rules are read only when their generation says that somebody wrote some.
func (s *Service) Repair(ctx context.Context) (repaired []string, err error) {
	s.apply.Lock()
	defer s.apply.Unlock()
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]netlink.Link, len(links))
	for _, link := range links {
		byName[link.Attrs().Name] = link
	}
	e, err := s.estate(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range s.networks() {
		if s.bridgeIsRight(n, byName[n.Bridge]) {
			continue
		}
		repaired = append(repaired, "bridge "+n.Bridge)
		errs = append(errs, s.ensureBridge(n), s.forwarding(n))
		s.judged[n.Bridge] = s.judgeBridge(n)
		errs = append(errs, s.resteer(ctx))
	}
	ports, err := s.repairPorts(e, byName)
	errs = append(errs, s.hairpins(e))
	ends, errEnds := s.repairEnds(e, byName)
	ports, err = append(ports, ends...), errors.Join(err, errEnds)
	tables, err2 := s.repairTables(ctx, e, byName)
	if s.expired(e) {
		errs = append(errs, s.applyRules(ctx))
	}
	return append(append(repaired, ports...), tables...), errors.Join(append(errs, err, err2)...)
}

// expired reports whether the time of a rule is over that the kernel still has.
func (s *Service) expired(e Estate) bool {
	for _, r := range e.Rules {
		if !r.InForce(s.cfg.Now()) && r.InForce(s.rulesAt) {
			return true
		}
	}
	return false
}

func (s *Service) bridgeIsRight(n inventory.Network, link netlink.Link) bool {
	if link == nil || link.Type() != "bridge" || link.Attrs().Flags&unix.IFF_UP == 0 ||
		link.Attrs().HardwareAddr.String() != s.bridgeMAC(n) || s.judged[n.Bridge] && !callsNetfilter(link) {
		return false
	}
	wanted := map[netip.Prefix]bool{n.IPv4: true}
	if n.IPv6.IsValid() && HasIPv6() {
		wanted[n.IPv6] = true
	}
	have, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	for _, a := range have {
		p, ok := toPrefix(a.IPNet)
		if ok && !p.Addr().IsLinkLocalUnicast() && !wanted[p] {
			return false
		}
		delete(wanted, p)
	}
	return err != nil || len(wanted) == 0
}

// repairPorts puts containers' interfaces back on their bridge and up. One the last look did not find may be on
// its way: whoever starts a container makes it first and attaches it then, which fails if somebody else did. So it
// is left alone until the next look.
func (s *Service) repairPorts(e Estate, links map[string]netlink.Link) (repaired []string, err error) {
	bridges := map[string]string{}
	for _, n := range s.networks() {
		bridges[n.Name] = n.Bridge
	}
	seen := map[int]bool{}
	defer func() { s.ports = seen }()
	for _, c := range e.Containers {
		for _, nic := range c.NICs {
			port := links[c.HostInterface(nic.Index)]
			if port == nil || bridges[nic.Network] == "" {
				continue
			}
			bridge, lookErr := netlink.LinkByName(bridges[nic.Network]) // it may have been made just now
			if lookErr != nil {
				return repaired, lookErr
			}
			index := port.Attrs().Index
			seen[index] = true
			if port.Attrs().MasterIndex == bridge.Attrs().Index && port.Attrs().Flags&unix.IFF_UP != 0 || !s.ports[index] {
				continue
			}
			repaired = append(repaired, "interface "+port.Attrs().Name+" of "+c.Ref().String())
			err = errors.Join(err, netlink.LinkSetMaster(port, bridge), netlink.LinkSetUp(port))
		}
	}
	return repaired, err
}

// repairTables writes our tables anew where one is not as it was.
func (s *Service) repairTables(ctx context.Context, e Estate, links map[string]netlink.Link) (repaired []string, err error) {
	now, err := s.nftGeneration()
	networks := s.otherNetworks()
	if err != nil || now == s.generation && s.rules != nil || len(s.networks())+len(s.allEnds(e)) == 0 {
		return nil, err
	}
	for _, n := range s.networks() {
		networks[n.Name] = n
		rules := len(natRules(n)) + len(forwardRules(n)) + len(inputRules(n))
		if same, err2 := s.asLeft(ctx, "inet", tableName(n.Bridge), rules); err2 != nil {
			return repaired, errors.Join(err, err2)
		} else if !same {
			repaired = append(repaired, "table "+tableName(n.Bridge))
			err = errors.Join(err, s.ensureFirewall(ctx, n))
		}
	}
	for _, n := range s.networks() {
		const floodRules = 3 // of ensureFloodLimits; its sets fill and empty by themselves
		text, err2 := nftList(ctx, "-t", "list", "table", "netdev", floodTable(n.Bridge))
		if err2 == nil && rulesIn(string(text)) != floodRules {
			repaired = append(repaired, "table "+floodTable(n.Bridge))
			err = errors.Join(err, s.ensureFloodLimits(ctx, n))
		}
	}
	if s.rules == nil { // they could not be written
		repaired, err = append(repaired, "table "+s.judgeTable()), errors.Join(err, s.applyRules(ctx))
	} else if same, err2 := s.asLeft(ctx, "inet", s.judgeTable(), s.rules.Count()); err2 != nil {
		return repaired, errors.Join(err, err2)
	} else if !same {
		repaired = append(repaired, "table "+s.judgeTable())
		s.rules = nil
		err = errors.Join(err, s.applyRules(ctx))
	}
	guarded, err2 := s.repairGuards(ctx, e, networks, links)
	repaired = append(repaired, guarded...)
	if err = errors.Join(err, err2); err == nil && len(repaired) == 0 {
		s.generation = now
	}
	return repaired, err
}

// repairGuards writes the rules of interfaces that have none.
func (s *Service) repairGuards(ctx context.Context, e Estate, networks map[string]inventory.Network,
	links map[string]netlink.Link) (repaired []string, err error) {
	lists := map[string][]byte{}
	var lost []guard
	for _, g := range s.guards(networks, e.Containers) {
		if links[g.iface] == nil {
			continue
		}
		if _, read := lists[g.bridge]; !read {
			if lists[g.bridge], err = nftList(ctx, "-s", "list", "table", "netdev", tableName(g.bridge)); err != nil {
				return nil, err
			}
		}
		_, chain, _ := bytes.Cut(lists[g.bridge], []byte("chain "+g.iface+" {"))
		chain, _, _ = bytes.Cut(chain, []byte("\n\t}"))
		if rulesIn("x {"+string(chain)) != len(g.rules()) || !strings.Contains(string(chain), g.iface) {
			repaired = append(repaired, "rules of interface "+g.iface)
			lost = append(lost, g)
		}
	}
	if len(lost) > 0 {
		err = writeGuards(lost).run(ctx)
	}
	return repaired, err
}

// asLeft reports whether a table is as we wrote it: as it was at the last look, or with as many rules
// as it was given if we have written it since.
func (s *Service) asLeft(ctx context.Context, family, table string, rules int) (bool, error) {
	text, err := nftList(ctx, "-s", "list", "table", family, table)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(text)
	last, known := s.listed[table]
	if known && last.rules == rules && last.sum != sum || text == nil || rulesIn(string(text)) != rules {
		delete(s.listed, table)
		return false, nil
	}
	s.listed[table] = listing{sum, rules}
	return true, nil
}

// A listing is what nft said of a table, and how many rules it had been given.
type listing struct {
	sum   [32]byte
	rules int
}

// rulesIn counts the rules in what nft lists.
func rulesIn(text string) (n int) {
	inChain := false
	for line := range strings.Lines(text) {
		word := strings.TrimSpace(line)
		switch {
		case strings.HasSuffix(word, "{"):
			inChain = strings.HasPrefix(word, "chain ") || strings.HasPrefix(word, "x ")
		case word == "}":
			inChain = false
		case inChain && word != "" && !strings.HasPrefix(word, "type ") && !strings.HasPrefix(word, "comment "):
			n++
		}
	}
	return n
}

func (s *Service) nftGeneration() (now uint32, err error) {
	err = s.written(func(c *nft.Conn) (err error) {
		now, err = c.Generation()
		return err
	})
	return now, err
}

// alone does one transaction of our own. If the ruleset was as Repair found it last, and nobody else wrote
// meanwhile, there is nothing to look for afterwards.
func (s *Service) alone(write func() error) error {
	before, err := s.nftGeneration()
	known := err == nil && s.generation != 0 && before == s.generation
	if err := write(); err != nil {
		return err
	}
	if after, err := s.nftGeneration(); known && err == nil && after == nft.Following(before) {
		s.generation = after
	}
	return nil
}
