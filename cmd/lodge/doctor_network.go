package main

import "lodge/inventory"

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

func checkIPv6(h *host) check {
	switch h.text("/proc/sys/net/ipv6/conf/all/disable_ipv6") {
	case "0":
		return check{Name: "IPv6", Verdict: verdictOK, Found: "on"}
	case "":
		return check{Name: "IPv6", Verdict: verdictWarn, Found: "the kernel runs without it: containers have IPv4 alone"}
	}
	return check{Name: "IPv6", Verdict: verdictWarn, Found: "disabled: containers have IPv4 alone",
		Advice: "sysctl -w net.ipv6.conf.all.disable_ipv6=0, if they are to have it; the agent follows within seconds"}
}
