package network

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"lodge/inventory"
)

// A Warning is something on the host that keeps containers from the network and that Lodge does
// not change, because somebody else owns it.
type Warning struct {
	Code string // "docker", "firewalld", "forward-policy", "ipv6", "resolver", "subnet"
	Text string // what is wrong
	Fix  string // what would help; "" when there is nothing to type
}

// Warnings looks at the host as it is now. It changes nothing.
func (s *Service) Warnings(ctx context.Context) []Warning {
	var out []Warning
	for _, n := range s.networks() {
		out = append(out, foreignFilters(foreignChains(ctx), n.Bridge)...)
		if n.IPv6.IsValid() && !hasIPv6() {
			out = append(out, Warning{"ipv6", "the kernel runs without IPv6: containers have only IPv4", ""})
		}
		out = append(out, s.overlapWarnings(n)...)
	}
	if legacyTables() {
		out = append(out, Warning{"iptables-legacy",
			"rules of iptables-legacy are loaded, which nft can't show: a DROP policy there would cut containers off",
			"iptables-legacy -S FORWARD"})
	}
	if len(s.upstreamServers()) == 0 {
		out = append(out, Warning{"resolver",
			"the host has no name server: containers resolve only " + inventory.Domain,
			"lodge config set dns.upstream=ADDRESS"})
	}
	return out
}

// overlapWarnings tells of routes that came after the claim and cover the same addresses.
func (s *Service) overlapWarnings(n inventory.Network) []Warning {
	occupied, err := Occupied(n.Bridge)
	if err != nil {
		return nil
	}
	for _, p := range occupied {
		if p.Bits() > widePrefix && p.Addr().Is4() && p.Overlaps(n.IPv4) {
			return []Warning{{"subnet", fmt.Sprintf(
				"the host now uses %s too, which overlaps network %s (%s): one of them is unreachable from the other",
				p.Masked(), n.Name, n.IPv4.Masked()), ""}}
		}
	}
	return nil
}

// A chain is what is needed to know of a base chain of any table.
type chain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Hook   string `json:"hook"`
	Policy string `json:"policy"`
}

// foreignChains lists the chains of all tables but ours; nil when nft can't be run.
func foreignChains(ctx context.Context) []chain {
	out, err := exec.CommandContext(ctx, "nft", "-j", "list", "chains").Output()
	if err != nil {
		return nil
	}
	return parseChains(out)
}

func parseChains(data []byte) []chain {
	var doc struct {
		Nftables []struct {
			Chain *chain `json:"chain"`
		} `json:"nftables"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return nil
	}
	var chains []chain
	for _, item := range doc.Nftables {
		if item.Chain != nil && !strings.HasPrefix(item.Chain.Table, tableName("")) {
			chains = append(chains, *item.Chain)
		}
	}
	return chains
}

// foreignFilters says which other firewall drops what a bridge forwards, and what its own manual
// recommends: Docker keeps DOCKER-USER for the host's owner, firewalld has zones.
func foreignFilters(chains []chain, bridge string) []Warning {
	docker, firewalld, drops := false, false, ""
	for _, c := range chains {
		docker = docker || c.Name == "DOCKER-USER"
		firewalld = firewalld || c.Table == "firewalld"
		if c.Hook == "forward" && c.Policy == "drop" {
			drops = strings.Join([]string{c.Family, c.Table, c.Name}, " ")
		}
	}
	var out []Warning
	if firewalld {
		out = append(out, Warning{"firewalld",
			"firewalld rejects what bridge " + bridge + " forwards and asks of the host unless it is in a trusting zone",
			"firewall-cmd --permanent --zone=trusted --add-interface=" + bridge + " && firewall-cmd --reload"})
	}
	switch {
	case drops != "" && docker:
		out = append(out, Warning{"docker",
			"Docker set the policy of the forward chain (" + drops + ") to drop: containers can't reach the outside",
			fmt.Sprintf("iptables -I DOCKER-USER -i %[1]s -j ACCEPT && iptables -I DOCKER-USER -o %[1]s "+
				"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT (and the same with ip6tables)", bridge)})
	case drops != "":
		out = append(out, Warning{"forward-policy",
			"the policy of chain " + drops + " is drop: containers can't reach the outside",
			fmt.Sprintf("accept iifname %q, and oifname %q ct state established,related, in that chain", bridge, bridge)})
	}
	return out
}

// legacyTables reports whether the old iptables, which nft doesn't see, has a filter table.
func legacyTables() bool {
	text, err := os.ReadFile("/proc/net/ip_tables_names")
	return err == nil && strings.Contains(string(text), "filter")
}
