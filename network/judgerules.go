package network

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/network/nft"
)

// judgeBuckets is over how many chains the rules of one action are spread: a change of one writes one
// chain anew.
const judgeBuckets = 32

// rules puts the rules in force into chains, and returns the jumps to them for each hook, those that deny
// first.
func (j judge) rules(r *nft.Table) (jumps map[string][]string) {
	jumps = map[string][]string{}
	sorted := slices.SortedFunc(slices.Values(j.estate.Rules), func(a, b inventory.FirewallRule) int { return cmp.Compare(a.ID, b.ID) })
	for _, action := range []inventory.FirewallAction{inventory.FirewallDeny, inventory.FirewallAllow} {
		for _, rule := range sorted {
			if rule.Action == action && rule.InForce(j.now) {
				j.rule(r, rule, jumps)
			}
		}
	}
	return jumps
}

// rule adds one. Single ports of rules with the same ends are elements of one map: a packet is compared
// with the ends once, and such a rule comes and goes as an element.
func (j judge) rule(r *nft.Table, rule inventory.FirewallRule, jumps map[string][]string) {
	hook := "forward"
	switch {
	case rule.To.Kind == inventory.SelectHost:
		hook = "input"
	case rule.From.Kind == inventory.SelectHost:
		hook = "output"
	}
	verdict := j.verdict(r, rule)
	ends := strings.Join([]string{string(rule.Action), rule.From.String(), rule.To.String()}, " ")
	bucket := fmt.Sprintf("%s-%s-%d", hook, rule.Action, crc32.ChecksumIEEE([]byte(ends))%judgeBuckets)
	if _, ok := r.Chains[bucket]; !ok {
		r.Chains[bucket] = nft.Chain{}
		jumps[hook] = append(jumps[hook], "jump "+bucket)
	}
	for _, ports := range rule.Ports.Ranges {
		if ports.First == ports.Last {
			j.port(r, rule, bucket, ends, fmt.Sprintf("%d : %s", ports.First, verdict))
			continue
		}
		j.match(r, rule, bucket, string(rule.Ports.Protocol)+" dport "+ports.String()+" "+verdict+comment(rule))
	}
	switch {
	case rule.Ports.Protocol == inventory.ICMP:
		j.match(r, rule, bucket, "meta l4proto %s "+verdict+comment(rule))
	case rule.Ports.Protocol == "":
		j.match(r, rule, bucket, verdict+comment(rule))
	case len(rule.Ports.Ranges) == 0:
		j.match(r, rule, bucket, "meta l4proto "+string(rule.Ports.Protocol)+" "+verdict+comment(rule))
	}
}

func comment(rule inventory.FirewallRule) string { return fmt.Sprintf(" comment %q", rule.ID) }

// verdict is what becomes of what a rule matches: by a chain of its own if it is told of.
func (j judge) verdict(r *nft.Table, rule inventory.FirewallRule) string {
	verdict := map[inventory.FirewallAction]string{inventory.FirewallDeny: "drop", inventory.FirewallAllow: "accept"}[rule.Action]
	if !rule.Log {
		return verdict
	}
	r.Chains[rule.ID] = nft.Chain{Rules: []string{j.logged(rule.Action, rule.ID), "counter " + verdict}}
	return "jump " + rule.ID
}

// port puts an element into the map of the rule's ends and protocol. Of two rules with the same port the
// first one counts, as in inventory.Firewall.
func (j judge) port(r *nft.Table, rule inventory.FirewallRule, bucket, ends, element string) {
	protocol := string(rule.Ports.Protocol)
	sum := sha256.Sum256([]byte(ends + " " + protocol))
	name := "ports-" + hex.EncodeToString(sum[:6])
	ports, ok := r.Sets[name]
	if !ok {
		ports = nft.Set{Key: "inet_service", Data: "verdict"}
		j.match(r, rule, bucket, protocol+" dport vmap @"+name)
	}
	number, _, _ := strings.Cut(element, " ")
	if !slices.ContainsFunc(ports.Elements, func(e string) bool { return strings.HasPrefix(e, number+" ") }) {
		ports.Elements = append(ports.Elements, element)
	}
	r.Sets[name] = ports
}

// match adds a rule for each family both ends have; %s is where its ICMP is named.
func (j judge) match(r *nft.Table, rule inventory.FirewallRule, bucket, rest string) {
	for _, f := range [][3]string{{"ip", "4", "icmp"}, {"ip6", "6", "ipv6-icmp"}} {
		from, ok := j.side(r, rule.From, f[0], f[1], "saddr")
		to, ok2 := j.side(r, rule.To, f[0], f[1], "daddr")
		if !ok || !ok2 {
			continue
		}
		if from == "" && to == "" {
			from = "meta nfproto ipv" + f[1]
		}
		r.Add(bucket, strings.Join(strings.Fields(from+" "+to+" "+strings.Replace(rest, "%s", f[2], 1)), " "))
	}
}

// side matches one end in one family; ok is false where it has none of that family.
func (j judge) side(r *nft.Table, s inventory.Selector, word, digit, field string) (text string, ok bool) {
	switch s.Kind {
	case inventory.SelectAny, inventory.SelectHost:
		return "", true
	case inventory.SelectAddress:
		return word + " " + field + " " + s.Prefix.String(), s.Prefix.Addr().Is4() == (digit == "4")
	}
	sum := sha256.Sum256([]byte(s.String()))
	name := "who-" + hex.EncodeToString(sum[:6]) + "-" + digit
	if _, ok := r.Sets[name]; !ok {
		set := addressSet(digit == "6")
		for _, c := range j.estate.Containers {
			if c.IsTrashed() || !s.Chooses(c) {
				continue
			}
			for _, a := range addressesOf(c) {
				if a.Is6() == (digit == "6") {
					set.Elements = append(set.Elements, a.String())
				}
			}
		}
		r.Sets[name] = set
	}
	return word + " " + field + " @" + name, true
}
