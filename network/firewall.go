package network

import (
	"context"
	"fmt"
	"net/netip"

	"sigs.k8s.io/knftables"

	"lodge/inventory"
)

// tableName is the nftables table of one bridge. Each agent and each network has its own, so
// nobody's transaction touches somebody else's rules.
func tableName(bridge string) string { return "lodge_" + bridge }

const (
	chainNAT     = "nat-postrouting"
	chainForward = "filter-forward"
	chainInput   = "filter-input"
)

// ensureFirewall replaces the bridge's table in one transaction: packets meet the old rules or the
// new ones, never none, and connections live on in conntrack.
func (s *Service) ensureFirewall(ctx context.Context, n inventory.Network) error {
	nft, err := openTable(knftables.InetFamily, tableName(n.Bridge))
	if err != nil {
		return fmt.Errorf("filter bridge %s: %w", n.Bridge, err)
	}
	delete(s.listed, tableName(n.Bridge))
	tx := nft.NewTransaction()
	addRules(tx, n)
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("write the rules of bridge %s: %w", n.Bridge, err)
	}
	return nil
}

func (s *Service) removeFirewall(ctx context.Context, n inventory.Network) error {
	nft, err := openTable(knftables.InetFamily, tableName(n.Bridge))
	if err != nil {
		return fmt.Errorf("remove the rules of bridge %s: %w", n.Bridge, err)
	}
	tx := nft.NewTransaction()
	// Added first, so that deleting a missing table is no error.
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("remove the rules of bridge %s: %w", n.Bridge, err)
	}
	return nil
}

// addRules writes the whole table of one bridge into tx. An accept here ends only our own chain: a
// later chain of somebody else (Docker's policy, firewalld) can still drop; lodge doctor tells of those.
// A drop here is final.
func addRules(tx *knftables.Transaction, n inventory.Network) {
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Lodge, network " + n.Name + "; rewritten whole, don't edit")})
	addChain(tx, chainNAT, knftables.NATType, knftables.PostroutingHook, knftables.SNATPriority, natRules(n))
	addChain(tx, chainForward, knftables.FilterType, knftables.ForwardHook, knftables.FilterPriority, forwardRules(n))
	addChain(tx, chainInput, knftables.FilterType, knftables.InputHook, knftables.FilterPriority, inputRules(n))
}

func addChain(tx *knftables.Transaction, name string, kind knftables.BaseChainType,
	hook knftables.BaseChainHook, priority knftables.BaseChainPriority, rules []string) {
	tx.Add(&knftables.Chain{Name: name, Type: &kind, Hook: &hook, Priority: &priority})
	for _, rule := range rules {
		tx.Add(&knftables.Rule{Chain: name, Rule: rule})
	}
}

// natRules hides containers behind the host's address on the way out.
func natRules(n inventory.Network) []string {
	if !n.NAT {
		return nil
	}
	var rules []string
	for _, f := range families(n) {
		rules = append(rules, fmt.Sprintf("%s saddr %s %s daddr != %s oifname != %q masquerade",
			f.word, f.net, f.word, f.net, n.Bridge))
	}
	return rules
}

// forwardRules drop what no rule may let through: sources that aren't the network's. Who may talk to
// whom is judged in the table of judge.go.
func forwardRules(n inventory.Network) []string {
	rules := []string{"ct state established accept"} // their first packet was looked at
	for _, f := range families(n) {
		rules = append(rules, fmt.Sprintf("iifname %q %s saddr != { %s } drop", n.Bridge, f.word, f.forwarded))
	}
	rules = append(rules, fmt.Sprintf("iifname %q ct state invalid drop", n.Bridge))
	if !n.IPv6.IsValid() {
		rules = append(rules, fmt.Sprintf("iifname %q meta nfproto ipv6 drop", n.Bridge))
	}
	return rules
}

// inputRules: who may ask on the bridge's addresses, and from which. What of the host containers may
// reach is judged in the table of judge.go.
func inputRules(n inventory.Network) []string {
	b := n.Bridge
	rules := []string{"ct state established accept"} // its first packet was looked at
	for _, f := range families(n) {
		// Linux answers for the bridge's address on every link; the names are for the bridge alone.
		rules = append(rules, fmt.Sprintf("%s daddr %s iifname != { lo, %q } meta l4proto { tcp, udp } th dport 53 drop",
			f.word, f.gateway, b))
		rules = append(rules, fmt.Sprintf("iifname %q %s saddr != { %s } drop", b, f.word, f.sources))
	}
	return append(rules, fmt.Sprintf("iifname %q icmpv6 type { nd-router-advert, nd-redirect } drop", b))
}

// family is what the rules of one address family differ in.
type family struct {
	word    string // nft's: ip, ip6
	net     netip.Prefix
	gateway netip.Addr
	sources string // addresses a packet from a container may come from
	// forwarded are those of packets to another port of the bridge or beyond.
	forwarded string
}

func families(n inventory.Network) []family {
	v4 := family{"ip", n.IPv4.Masked(), n.IPv4.Addr(), "", ""}
	// 0.0.0.0: DHCP before there is an address; "::" and link-local: neighbour discovery.
	v4.sources = v4.net.String() + ", 0.0.0.0"
	v4.forwarded = v4.net.String()
	if !n.IPv6.IsValid() {
		return []family{v4}
	}
	v6 := family{"ip6", n.IPv6.Masked(), n.IPv6.Addr(), "", ""}
	v6.sources = v6.net.String() + ", fe80::/10, ::"
	v6.forwarded = v6.sources // neighbours of one bridge; the kernel forwards no link-local any further
	return []family{v4, v6}
}
