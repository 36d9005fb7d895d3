package main

import (
	"strings"

	"lodge/inventory"
)

func checkForwarding(h *host) check {
	k := check{Name: "forwarding", Verdict: verdictOK, Found: "on"}
	if h.text("/proc/sys/net/ipv4/ip_forward") == "1" {
		return k
	}
	k.Found = "off"
	if _, _, err := h.agent(); err != nil {
		k.Found = "off; the agent turns it on when it starts"
		return k
	}
	k.Verdict, k.Advice = verdictFail, "something turned it off behind the agent: sysctl -w net.ipv4.ip_forward=1"
	return k
}

// checkHostNames says how this host knows the containers' names, and tries whether it does: the domain
// itself has the gateways' addresses.
func checkHostNames(h *host) check {
	k := check{Name: "host's names", Verdict: verdictOK}
	_, at, err := h.agent()
	if err != nil {
		k.Found = "the agent tells the host when it starts"
		return k
	}
	by := map[string]string{"resolved": "systemd-resolved", "hosts": "/etc/hosts"}[at.Facts["names"]]
	if by == "" {
		k.Found = inventory.Domain + " is not looked up on this host (dns.host)"
		return k
	}
	k.Found = inventory.Domain + " by " + by
	if why := at.Facts["names.trouble"]; why != "" {
		k.Verdict, k.Advice = verdictWarn, why
		return k
	}
	if out, err := h.run("getent", "ahosts", inventory.Domain); err != nil || out == "" {
		k.Verdict, k.Found = verdictWarn, k.Found+", but nothing is found"
		k.Advice = "see that 'hosts:' in /etc/nsswitch.conf has files, and resolve or dns: getent ahosts " + inventory.Domain
	}
	return k
}

// checkFirewalls looks for those who may drop what containers send and get. A chain that accepts
// does not keep a later one from dropping (nft(8), "verdict statements").
func checkFirewalls(h *host) check {
	k := check{Name: "other firewalls", Verdict: verdictOK, Found: "none"}
	var found, advice []string
	if h.exists("/sys/class/net/docker0") || h.exists("/run/docker.sock") {
		found = append(found, "Docker")
	}
	if h.exists("/run/firewalld") {
		found = append(found, "firewalld")
		advice = append(advice,
			"put Lodge's bridge into a zone: firewall-cmd --permanent --zone=trusted --add-interface=lodge0")
	}
	if strings.Contains("\n"+h.text("/etc/ufw/ufw.conf"), "\nENABLED=yes") {
		found = append(found, "ufw")
		advice = append(advice,
			"let ufw pass what it routes for containers: ufw route allow in on lodge0; ufw route allow out on lodge0")
	}
	if table, docker := droppingTable(h); table != "" {
		found = append(found, "table "+table+" drops what is forwarded")
		switch {
		case docker: // DOCKER-USER is the chain Docker keeps for the host's owner
			advice = append(advice, "iptables -I DOCKER-USER -i lodge0 -j ACCEPT; "+
				"iptables -I DOCKER-USER -o lodge0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
		case len(advice) == 0:
			advice = append(advice,
				"accept iifname lodge0, and oifname lodge0 ct state established,related, in its forward chain")
		}
	}
	if !h.isRoot {
		found = append(found, "rules not looked at: that takes root")
	}
	if len(found) > 0 {
		k.Found = strings.Join(found, ", ")
	}
	if len(advice) > 0 {
		k.Verdict, k.Advice = verdictWarn, strings.Join(advice, "; ")
	}
	return k
}

// droppingTable names a table of somebody else's whose forward chain drops by default, and tells
// whether that is Docker's doing; "" if there is none, or they can't be seen.
func droppingTable(h *host) (table string, docker bool) {
	if !h.isRoot {
		return "", false
	}
	if out, err := h.run("nft", "list", "chains"); err == nil {
		if t := dropping(out); t != "" {
			return t, strings.Contains(out, "chain DOCKER-USER ")
		}
	}
	// iptables-legacy has rules of its own that nft does not show.
	if strings.Contains(h.text("/proc/net/ip_tables_names"),
		"filter") && h.program("iptables-legacy") != "" {
		if out, err := h.run("iptables-legacy", "-S"); err == nil && strings.Contains(out,
			"-P FORWARD DROP") {
			return "filter (iptables-legacy)", strings.Contains(out, "-N DOCKER-USER")
		}
	}
	return "", false
}

// dropping reads what `nft list chains` prints, and returns the first such table.
func dropping(text string) string {
	table := ""
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "table":
			table = f[1] + " " + f[2]
		case strings.Contains(line, "hook forward") && strings.Contains(line,
			"policy drop") && !strings.Contains(table, " lodge"):
			return table
		}
	}
	return ""
}
