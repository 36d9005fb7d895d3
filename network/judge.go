package network

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
)

// An Estate is what the rules between containers are made of.
type Estate struct {
	Containers []*inventory.Container
	Rules      []inventory.FirewallRule
	Forwards   []inventory.Forward
	// Within says whether containers of a project may open connections to each other.
	Within func(project string) bool
}

// judgeBuckets is over how many chains the rules of one action are spread: a change of one writes one
// chain anew.
const judgeBuckets = 32

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
		return dropTable(ctx, "inet", s.judgeTable())
	}
	next := judge{e, networks, ends, s.hostAccess(), s.cfg.Now(), s.logGroup()}.compile()
	s.rulesAt = s.cfg.Now()
	was := s.rules
	s.rules = nil // unknown, until nft has said that it did
	if was != nil {
		script := was.change(s.judgeTable(), next)
		if script.Len() == 0 {
			s.rules = next
			return nil
		}
		delete(s.listed, s.judgeTable())
		if script.run(ctx) == nil {
			s.rules = next
			return nil
		}
	}
	delete(s.listed, s.judgeTable())
	if err := next.whole(s.judgeTable()).run(ctx); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "write the rules between containers: %v", err)
	}
	s.rules = next
	return nil
}

func dropTable(ctx context.Context, family, name string) error {
	out := &script{}
	out.add("add table %s %s", family, name) // so that deleting a missing table is no error
	out.add("delete table %s %s", family, name)
	return out.run(ctx)
}

// A judge compiles an estate. Its verdicts are those of inventory.Firewall.Judge.
type judge struct {
	estate     Estate
	networks   []inventory.Network
	ends       map[string]end // by interface
	hostAccess bool
	now        time.Time
	group      uint16
}

func (j judge) compile() *ruleset {
	r := &ruleset{sets: map[string]ruleSet{}, chains: map[string]ruleChain{
		"forward": {hook: "type filter hook forward priority 1"},
		"input":   {hook: "type filter hook input priority 1"},
		"output":  {hook: "type filter hook output priority 1"},
	}}
	j.bridges(r)
	j.homes(r)
	j.forwards(r)
	jumps := map[string][]string{}
	for _, action := range []inventory.FirewallAction{inventory.FirewallDeny, inventory.FirewallAllow} {
		for _, rule := range j.estate.Rules {
			if rule.Action == action && rule.InForce(j.now) {
				j.rule(r, rule, jumps)
			}
		}
	}
	// Neighbours have to find each other before anything can be judged (RFC 4861). MLD never passes.
	const nd = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
	r.add("forward", "iifname != @bridges oifname != @bridges accept", "ct state established,related accept",
		"iifname @bridges oifname @bridges "+nd)
	r.add("forward", jumps["forward"]...)
	r.add("forward", "ct status dnat accept", "ip saddr vmap @home4", "ip6 saddr vmap @home6", "iifname @bridges oifname != @bridges accept",
		"iifname != @bridges oifname @routed accept", j.logged("default"), "counter drop")
	// Guards drop these before; plain pairs have none.
	r.add("input", "iifname != @bridges accept", "icmpv6 type { nd-router-advert, nd-redirect } drop", "icmp type redirect drop",
		"ct state established,related accept",
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report } accept")
	r.add("input", jumps["input"]...)
	r.add("input", "meta l4proto { icmp, ipv6-icmp } accept", "meta l4proto { tcp, udp } th dport 53 accept",
		// The role reads these from packet sockets, before they come here; the kernel would say that
		// nobody listens.
		"udp dport { 67, 547 } drop")
	if !j.hostAccess {
		r.add("input", j.logged("host"), "counter reject with icmpx admin-prohibited")
	}
	r.add("output", "oifname != @bridges accept", "ct state established,related accept",
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept")
	r.add("output", jumps["output"]...)
	return r
}

// bridges are all interfaces containers are behind, the ends of pairs that are no ports among them.
func (j judge) bridges(r *ruleset) {
	all, routed := ruleSet{kind: "set", decl: "type ifname"}, ruleSet{kind: "set", decl: "type ifname"}
	for _, n := range j.networks {
		all.elements = append(all.elements, fmt.Sprintf("%q", n.Bridge))
		if !n.NAT {
			routed.elements = append(routed.elements, fmt.Sprintf("%q", n.Bridge))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.ends)) {
		all.elements = append(all.elements, fmt.Sprintf("%q", name))
		if j.ends[name].network != "" {
			routed.elements = append(routed.elements, fmt.Sprintf("%q", name))
		}
	}
	r.sets["bridges"], r.sets["routed"] = all, routed
}

// logged sends some of the packets to whoever reads the log; the rest goes on the same.
func (j judge) logged(prefix string) string {
	return fmt.Sprintf("limit rate 10/second burst 20 packets log prefix %q group %d", prefix, j.group)
}

// homes lets containers of a project reach each other where that is wanted: by its source a packet goes
// to the chain of its project, which accepts the destinations of the same.
func (j judge) homes(r *ruleset) {
	home := [2]ruleSet{{kind: "map", decl: "type ipv4_addr : verdict"}, {kind: "map", decl: "type ipv6_addr : verdict"}}
	for _, c := range j.estate.Containers {
		if c.IsTrashed() || j.estate.Within != nil && !j.estate.Within(c.Project) {
			continue
		}
		chain := "in-" + c.Project
		if _, ok := r.chains[chain]; !ok {
			r.sets[chain+"-4"], r.sets[chain+"-6"] = addressSet(false), addressSet(true)
			r.add(chain, "ip daddr @"+chain+"-4 accept", "ip6 daddr @"+chain+"-6 accept")
		}
		for _, a := range addressesOf(c) {
			i, name := 0, chain+"-4"
			if a.Is6() {
				i, name = 1, chain+"-6"
			}
			home[i].elements = append(home[i].elements, a.String()+" : jump "+chain)
			s := r.sets[name]
			s.elements = append(s.elements, a.String())
			r.sets[name] = s
		}
	}
	r.sets["home4"], r.sets["home6"] = home[0], home[1]
}

func addressSet(v6 bool) ruleSet {
	if v6 {
		return ruleSet{kind: "set", decl: "type ipv6_addr"}
	}
	return ruleSet{kind: "set", decl: "type ipv4_addr"}
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

// rule puts one rule into its bucket; jumps are the buckets each hook goes through.
func (j judge) rule(r *ruleset, rule inventory.FirewallRule, jumps map[string][]string) {
	hook := "forward"
	switch {
	case rule.To.Kind == inventory.SelectHost:
		hook = "input"
	case rule.From.Kind == inventory.SelectHost:
		hook = "output"
	}
	bucket := fmt.Sprintf("%s-%s-%d", hook, rule.Action, crc32.ChecksumIEEE([]byte(rule.ID))%judgeBuckets)
	if _, ok := r.chains[bucket]; !ok {
		r.chains[bucket] = ruleChain{}
		jumps[hook] = append(jumps[hook], "jump "+bucket)
	}
	for _, f := range [][2]string{{"ip", "4"}, {"ip6", "6"}} {
		from, ok := j.side(r, rule.From, f, "saddr")
		to, ok2 := j.side(r, rule.To, f, "daddr")
		if !ok || !ok2 {
			continue
		}
		match := strings.Join([]string{from, to, portMatch(rule.Ports, f[0])}, " ")
		if from == "" && to == "" {
			match = "meta nfproto ipv" + f[1] + " " + match
		}
		if rule.Action == inventory.FirewallDeny {
			r.add(bucket, match+" "+j.logged(rule.ID))
		}
		verdict := map[inventory.FirewallAction]string{inventory.FirewallDeny: "drop", inventory.FirewallAllow: "accept"}
		r.add(bucket, fmt.Sprintf("%s counter %s comment %q", match, verdict[rule.Action], rule.ID))
	}
}

// side matches one end in one family; ok is false where it has none of that family.
func (j judge) side(r *ruleset, s inventory.Selector, f [2]string, field string) (text string, ok bool) {
	switch s.Kind {
	case inventory.SelectAny, inventory.SelectHost:
		return "", true
	case inventory.SelectAddress:
		return f[0] + " " + field + " " + s.Prefix.String(), s.Prefix.Addr().Is4() == (f[1] == "4")
	}
	sum := sha256.Sum256([]byte(s.String()))
	name := "who-" + hex.EncodeToString(sum[:6]) + "-" + f[1]
	if _, ok := r.sets[name]; !ok {
		set := addressSet(f[1] == "6")
		for _, c := range j.estate.Containers {
			if c.IsTrashed() || !s.Chooses(c) {
				continue
			}
			for _, a := range addressesOf(c) {
				if a.Is6() == (f[1] == "6") {
					set.elements = append(set.elements, a.String())
				}
			}
		}
		r.sets[name] = set
	}
	return f[0] + " " + field + " @" + name, true
}

func portMatch(p inventory.Ports, family string) string {
	switch {
	case p.Protocol == "":
		return ""
	case p.Protocol == inventory.ICMP && family == "ip":
		return "meta l4proto icmp"
	case p.Protocol == inventory.ICMP:
		return "meta l4proto ipv6-icmp"
	case len(p.Ranges) == 0:
		return "meta l4proto " + string(p.Protocol)
	}
	if len(p.Ranges) == 1 { // a set for each rule would cost as much again
		return string(p.Protocol) + " dport " + p.List("")
	}
	return string(p.Protocol) + " dport { " + p.List(", ") + " }"
}
