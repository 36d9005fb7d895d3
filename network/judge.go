package network

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/network/nft"
)

// An Estate is what the rules between containers are made of.
type Estate struct {
	Containers []*inventory.Container
	Rules      []inventory.FirewallRule
	Forwards   []inventory.Forward
	// Within says whether containers of a project may open connections to each other.
	Within func(project string) bool
}

// judgeTable is the agent's: rules are about all its networks.
func (s *Service) judgeTable() string { return tableName("rules_" + hex.EncodeToString(s.rootSum())) }

// logGroup is where the kernel sends what was dropped (nfnetlink_log), the agent's own as far as a
// number can tell.
func (s *Service) logGroup() uint16 { return 1024 + binary.BigEndian.Uint16(s.rootSum())%32768 }

func (s *Service) rootSum() []byte {
	sum := sha256.Sum256([]byte(s.cfg.Root))
	return sum[:4]
}

func (s *Service) estate(ctx context.Context) (Estate, error) {
	if s.cfg.Estate == nil {
		return Estate{}, nil
	}
	return s.cfg.Estate(ctx)
}

// ApplyRules brings the kernel's rules to the estate as it is now, in one transaction. It does nothing
// when that changes nothing. ErrUnavailable: nftables can't be used.
func (s *Service) ApplyRules(ctx context.Context) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	defer s.tellHost() // a bridge may have got its first port, or lost its last
	return s.applyRules(ctx)
}

// applyRules is ApplyRules for who holds apply.
func (s *Service) applyRules(ctx context.Context) error {
	networks := s.networks()
	e, err := s.estate(ctx)
	if err != nil {
		return err
	}
	ends := s.allEnds(e)
	if len(networks) == 0 && len(ends) == 0 {
		s.rules = nil
		return s.written(func(c *nft.Conn) error { return c.Delete(s.judgeTable()) })
	}
	options := s.currentOptions()
	next := judge{e, networks, ends, options.HostAccess, options.Silent, s.cfg.Now(), s.logGroup()}.compile()
	s.rulesAt = s.cfg.Now()
	was := s.rules
	s.rules = nil // unknown, until the kernel has said that it did
	if was == nil || s.changeRules(was, next) != nil {
		delete(s.listed, s.judgeTable())
		err := s.written(func(c *nft.Conn) error { return c.Replace(s.judgeTable(), next) })
		if err != nil {
			return fmt.Errorf("write the rules between containers: %w", err)
		}
	}
	s.rules = next
	if err := s.hairpins(e); err != nil {
		s.log.Warn("a container may not reach itself by a port that is forwarded to it", "error", err)
	}
	return nil
}

// changeRules tells the kernel what differs. If the ruleset is as Repair found it last and nobody writes
// at the same time, it is what it has to be afterwards, too, and there is nothing to look for.
func (s *Service) changeRules(was, next *nft.Table) error {
	changed := false
	change := func(generation uint32) error {
		return s.written(func(c *nft.Conn) (err error) {
			changed, err = c.Change(s.judgeTable(), was, next, generation)
			return err
		})
	}
	known := s.generation
	err := change(known)
	if errors.Is(err, nft.ErrStale) {
		known = 0
		err = change(known)
	}
	if err != nil || !changed {
		return err
	}
	delete(s.listed, s.judgeTable())
	if s.generation = 0; known != 0 {
		s.generation = nft.Following(known)
	}
	return nil
}

// written has the connection write. It is made when it is needed, and anew after an error.
func (s *Service) written(write func(*nft.Conn) error) (err error) {
	if s.conn == nil {
		if s.conn, err = nft.Dial(); err != nil {
			return err
		}
	}
	if err = write(s.conn); err != nil && !errors.Is(err, nft.ErrStale) {
		s.conn.Close()
		s.conn = nil
	}
	return err
}

// A judge compiles an estate. Its verdicts are those of inventory.Firewall.Judge.
type judge struct {
	estate     Estate
	networks   []inventory.Network
	ends       map[string]end // by interface
	hostAccess bool
	silent     bool // what no rule lets through is not told of
	now        time.Time
	group      uint16
}

func (j judge) compile() *nft.Table {
	r := &nft.Table{Comment: "Lodge, who may talk to whom; don't edit", Sets: map[string]nft.Set{}, Chains: map[string]nft.Chain{}}
	for _, at := range []string{"forward", "input", "output"} {
		r.Chains[at] = nft.Chain{Hook: nft.Hook{Kind: "filter", At: at, Priority: 1}}
	}
	j.bridges(r)
	j.homes(r)
	j.forwards(r)
	jumps := j.rules(r)
	// Neighbours have to find each other before anything can be judged (RFC 4861). MLD never passes.
	r.Add("forward", "iifname != @bridges oifname != @bridges accept", "ct state established,related accept",
		"iifname @bridges oifname @bridges icmpv6 type nd-neighbor-solicit accept",
		"iifname @bridges oifname @bridges icmpv6 type nd-neighbor-advert accept")
	r.Add("forward", jumps["forward"]...)
	r.Add("forward", "ct status dnat accept", "ip saddr vmap @home4", "ip6 saddr vmap @home6", "iifname @bridges oifname != @bridges accept",
		"iifname != @bridges oifname @routed accept")
	// Hosts speak to their link all the time (MLD, IGMP, mDNS, router solicitations). That opens no
	// connection, and would be most of what is told of.
	r.Add("forward", "ip daddr 224.0.0.0/24 drop", "ip6 daddr ff02::/16 drop")
	r.Add("forward", append(j.dropped("default"), "counter drop")...)
	// Guards drop these before; plain pairs have none.
	r.Add("input", "iifname != @bridges accept", "icmpv6 type nd-router-advert drop", "icmpv6 type nd-redirect drop",
		"icmp type redirect drop", "ct state established,related accept")
	for _, kind := range []string{"nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-solicit", "mld-listener-report", "mld2-listener-report"} {
		r.Add("input", "icmpv6 type "+kind+" accept")
	}
	r.Add("input", jumps["input"]...)
	r.Add("input", "meta l4proto icmp accept", "meta l4proto ipv6-icmp accept", "udp dport 53 accept", "tcp dport 53 accept",
		// The role reads these from packet sockets, before they come here; the kernel would say that
		// nobody listens.
		"udp dport 67 drop", "udp dport 547 drop")
	if !j.hostAccess {
		r.Add("input", append(j.dropped("host"), "counter reject with icmpx admin-prohibited")...)
	}
	r.Add("output", "oifname != @bridges accept", "ct state established,related accept",
		"icmpv6 type nd-neighbor-solicit accept", "icmpv6 type nd-neighbor-advert accept", "icmpv6 type nd-router-advert accept")
	r.Add("output", jumps["output"]...)
	return r
}

// bridges are all interfaces containers are behind, the ends of pairs that are no ports among them.
func (j judge) bridges(r *nft.Table) {
	all, routed := nft.Set{Key: "ifname"}, nft.Set{Key: "ifname"}
	for _, n := range j.networks {
		all.Elements = append(all.Elements, fmt.Sprintf("%q", n.Bridge))
		if !n.NAT {
			routed.Elements = append(routed.Elements, fmt.Sprintf("%q", n.Bridge))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.ends)) {
		all.Elements = append(all.Elements, fmt.Sprintf("%q", name))
		if j.ends[name].network != "" {
			routed.Elements = append(routed.Elements, fmt.Sprintf("%q", name))
		}
	}
	r.Sets["bridges"], r.Sets["routed"] = all, routed
}

// logged sends some of the packets to whoever reads the log; the rest goes on the same.
func (j judge) logged(verdict inventory.FirewallAction, rule string) string {
	return fmt.Sprintf("limit rate 10/second burst 20 packets log prefix %q group %d", string(verdict)+"/"+rule, j.group)
}

// dropped is what is told of those no rule lets through, where that is wanted.
func (j judge) dropped(rule string) []string {
	if j.silent {
		return nil
	}
	return []string{j.logged(inventory.FirewallDeny, rule)}
}

// homes lets containers of a project reach each other where that is wanted: by its source a packet goes
// to the chain of its project, which accepts the destinations of the same.
func (j judge) homes(r *nft.Table) {
	home := [2]nft.Set{{Key: "ipv4_addr", Data: "verdict"}, {Key: "ipv6_addr", Data: "verdict"}}
	for _, c := range j.estate.Containers {
		if c.IsTrashed() || j.estate.Within != nil && !j.estate.Within(c.Project) {
			continue
		}
		chain := "in-" + c.Project
		if _, ok := r.Chains[chain]; !ok {
			r.Sets[chain+"-4"], r.Sets[chain+"-6"] = addressSet(false), addressSet(true)
			r.Add(chain, "ip daddr @"+chain+"-4 accept", "ip6 daddr @"+chain+"-6 accept")
		}
		for _, a := range addressesOf(c) {
			i, name := 0, chain+"-4"
			if a.Is6() {
				i, name = 1, chain+"-6"
			}
			home[i].Elements = append(home[i].Elements, a.String()+" : jump "+chain)
			s := r.Sets[name]
			s.Elements = append(s.Elements, a.String())
			r.Sets[name] = s
		}
	}
	r.Sets["home4"], r.Sets["home6"] = home[0], home[1]
}

func addressSet(v6 bool) nft.Set {
	if v6 {
		return nft.Set{Key: "ipv6_addr"}
	}
	return nft.Set{Key: "ipv4_addr"}
}

// addressesOf are all a container may send from.
func addressesOf(c *inventory.Container) (out []netip.Addr) {
	for _, nic := range c.NICs {
		for _, a := range []netip.Addr{nic.IPv4, nic.IPv6, LinkLocal(nic.MAC)} {
			if a.IsValid() {
				out = append(out, a.WithZone(""))
			}
		}
	}
	return out
}
