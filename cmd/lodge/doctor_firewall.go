package main

import (
	"fmt"
	"slices"
	"strings"
)

// A neighbour is another firewall of the host: what was found of it, and the commands that let containers
// pass it, none where it does already.
type neighbour struct {
	found string
	needs []string
}

// checkFirewalls looks for those who may drop what containers send and get. A chain that accepts does not
// keep a later one from dropping (nft(8), "verdict statements"), and the rules of others are theirs: Lodge
// changes none, so what helps is said.
func checkFirewalls(h *host) check {
	k := check{Name: "other firewalls", Verdict: verdictOK, Found: "none"}
	chains := ""
	if h.isRoot {
		chains, _ = h.run("nft", "list", "chains")
	}
	bridges := bridgesIn(chains)
	var found, advice []string
	for _, look := range []func(*host, string, []string) neighbour{docker, firewalld, ufw, stranger} {
		if n := look(h, chains, bridges); n.found != "" {
			found, advice = append(found, n.found), append(advice, n.needs...)
		}
	}
	if !h.isRoot {
		found = append(found, "rules not looked at: that takes root")
	}
	if len(found) > 0 {
		k.Found = strings.Join(found, ", ")
	}
	if len(advice) > 0 {
		k.Verdict, k.Advice = verdictWarn, "Lodge leaves their rules alone; this lets containers pass, and Lodge's own rules still judge them: "+
			strings.Join(advice, "; ")
	}
	return k
}

// bridgesIn are the bridges Lodge has tables for, the usual one when there is no agent yet.
func bridgesIn(chains string) (out []string) {
	for line := range strings.Lines(chains) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "table inet lodge_")
		name = strings.TrimSuffix(name, " {")
		if ok && !strings.HasPrefix(name, "rules_") {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{"lodge0"}
	}
	return out
}

// docker closes the forward chain and keeps DOCKER-USER for the host's owner, who is asked before it.
func docker(h *host, chains string, bridges []string) (n neighbour) {
	if h.exists("/sys/class/net/docker0") || h.exists("/run/docker.sock") {
		n.found = "Docker"
	}
	closed := false
	for family, program := range map[string]string{"ip": "iptables", "ip6": "ip6tables"} {
		if !strings.Contains(tableIn(chains, family+" filter"), "chain DOCKER-USER ") {
			continue
		}
		n.found = "Docker"
		if !slices.Contains(dropping(chains), family+" filter") {
			continue
		}
		closed = true
		n.needs = append(n.needs, missing(h, program, dockerUser, bridges)...)
	}
	// iptables-legacy has rules of its own that nft does not show.
	if out := legacyRules(h); strings.Contains(out, "-P FORWARD DROP") && strings.Contains(out, "-N DOCKER-USER") {
		n.found, closed = "Docker", true
		n.needs = append(n.needs, missing(h, "iptables-legacy", dockerUser, bridges)...)
	}
	slices.Sort(n.needs)
	switch {
	case len(n.needs) > 0:
		n.found = "Docker, which drops what is forwarded"
	case closed:
		n.found = "Docker, which lets " + strings.Join(bridges, " and ") + " pass"
	}
	return n
}

// dockerUser is the chain Docker asks before its own.
const dockerUser = "DOCKER-USER"

// missing are the rules that are not there yet. Both directions are needed: what comes in is a forwarded port
// or an answer, or Lodge drops it.
func missing(h *host, program, chain string, bridges []string) (needs []string) {
	for _, bridge := range bridges {
		for _, side := range []string{"-i", "-o"} {
			if _, err := h.run(program, "-C", chain, side, bridge, "-j", "ACCEPT"); err != nil {
				needs = append(needs, fmt.Sprintf("%s -I %s %s %s -j ACCEPT", program, chain, side, bridge))
			}
		}
	}
	return needs
}

// firewalld rejects what comes from an interface that is in no zone, or in one that trusts nobody.
func firewalld(h *host, chains string, bridges []string) (n neighbour) {
	if !strings.Contains(chains, "table inet firewalld {") && !h.exists("/run/firewalld") {
		return n
	}
	n.found = "firewalld"
	for _, bridge := range bridges {
		if zone, err := h.run("firewall-cmd", "--get-zone-of-interface="+bridge); err != nil || strings.TrimSpace(zone) != "trusted" {
			n.needs = append(n.needs, "firewall-cmd --permanent --zone=trusted --add-interface="+bridge)
		}
	}
	if len(n.needs) > 0 {
		n.needs = append(n.needs, "firewall-cmd --reload")
		n.found = "firewalld, which rejects what it knows no zone for"
	}
	return n
}

func ufw(h *host, _ string, bridges []string) (n neighbour) {
	if !strings.Contains("\n"+h.text("/etc/ufw/ufw.conf"), "\nENABLED=yes") {
		return n
	}
	n.found = "ufw"
	for _, bridge := range bridges {
		n.needs = append(n.needs, "ufw route allow in on "+bridge, "ufw route allow out on "+bridge)
	}
	return n
}

// legacy is the table nft does not show.
const legacy = "filter (iptables-legacy)"

// stranger is whoever else closes the forward chain.
func stranger(h *host, chains string, bridges []string) (n neighbour) {
	tables := slices.DeleteFunc(dropping(chains), func(table string) bool {
		// Docker's and ufw's have been told of.
		text := tableIn(chains, table)
		return strings.Contains(text, "chain DOCKER-USER ") || strings.Contains(text, "chain ufw-user-forward ")
	})
	if out := legacyRules(h); strings.Contains(out, "-P FORWARD DROP") && !strings.Contains(out, "-N DOCKER-USER") {
		tables = append(tables, legacy)
	}
	programs := map[string]string{"ip filter": "iptables", "ip6 filter": "ip6tables", legacy: "iptables-legacy"}
	for _, table := range tables {
		if program, ok := programs[table]; ok {
			n.needs = append(n.needs, missing(h, program, "FORWARD", bridges)...)
		} else {
			for _, bridge := range bridges {
				n.needs = append(n.needs, fmt.Sprintf("accept iifname %s and oifname %s in the forward chain of table %s", bridge, bridge, table))
			}
		}
	}
	if len(n.needs) > 0 {
		n.found = "table " + strings.Join(tables, " and table ") + " drops what is forwarded"
	}
	return n
}

func legacyRules(h *host) string {
	if !h.isRoot || !strings.Contains(h.text("/proc/net/ip_tables_names"), "filter") || h.program("iptables-legacy") == "" {
		return ""
	}
	out, _ := h.run("iptables-legacy", "-S")
	return out
}

// dropping reads what `nft list chains` prints, and returns the tables whose forward chain drops by default.
func dropping(text string) (tables []string) {
	table := ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "table":
			table = f[1] + " " + f[2]
		case strings.Contains(line, "hook forward") && strings.Contains(line, "policy drop") && !strings.Contains(table, " lodge"):
			tables = append(tables, table)
		}
	}
	return tables
}

// tableIn is the part of `nft list chains` about one table.
func tableIn(text, table string) string {
	_, rest, _ := strings.Cut("\n"+text, "\ntable "+table+" {")
	part, _, _ := strings.Cut(rest, "\n}")
	return part
}
