package network

import (
	"net/netip"
	"strconv"
	"strings"

	"lodge/inventory"
)

// Names of the host's network settings.
const (
	SettingIPv4       = "network.ipv4"
	SettingNAT        = "network.nat"
	SettingHostAccess = "network.host.access"
	SettingWithin     = "network.within"
	SettingLog        = "network.log"
	SettingUpstream   = "dns.upstream"
	SettingSecondary  = "dns.secondaries"
	SettingListen     = "dns.listen"
	SettingPush       = "dns.push"
	SettingHostNames  = "dns.host"
)

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	host := []inventory.Scope{inventory.ScopeHost}
	return append(rateSettings(), []inventory.Setting{
		{
			Name: SettingIPv4, Scopes: host, Type: inventory.TypeText,
			Effect: inventory.EffectRestart, Risk: inventory.RiskHigh,
			Doc: "Subnet of the first bridge with the gateway's address, like 10.86.0.1/24; a free private /24 " +
				"is claimed when it is empty. It holds from the first start of the agent on.",
		},
		{
			Name: SettingNAT, Scopes: host, Type: inventory.TypeBool, Default: "true",
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Containers reach the outside under the host's address, and nothing outside opens connections " +
				"to them. Without it the network is routed: others need a route to it, and may connect.",
		},
		{
			Name: SettingWithin, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject},
			Type: inventory.TypeBool, Default: "true", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Containers of a project may open connections to each other. Those of different projects never " +
				"may without a rule; see lodge firewall.",
		},
		{
			Name: SettingHostAccess, Scopes: host, Type: inventory.TypeBool, Default: "false",
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Containers may reach every port of the host, not only DNS, DHCP and ping.",
		},
		{
			Name: SettingLog, Scopes: host, Type: inventory.TypeBool, Default: "true",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "What is dropped because no rule lets it through is told of by lodge firewall log, at most ten packets a " +
				"second. Rules tell of what they match when they were made with --log.",
		},
		{
			Name: SettingUpstream, Scopes: host, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Name servers for everything but " + inventory.Domain + ", comma-separated addresses with an " +
				"optional port; those of the host's /etc/resolv.conf when it is empty.",
		},
		{
			Name: SettingSecondary, Scopes: host, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Name servers that hold copies of our zones, comma-separated addresses with an optional port. They " +
				"are told of every change, and get the zones whole when they sign with the key in ROOT/" + transferKeyFile + ".",
		},
		{
			Name: SettingHostNames, Scopes: host, Type: inventory.TypeEnum, Default: HostNamesAuto,
			Values: []string{HostNamesAuto, HostNamesResolved, HostNamesFile, HostNamesOff},
			Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "How the host itself looks the containers' names up, until the agent is taken down: resolved makes " +
				"systemd-resolved ask us for them, hosts keeps them in a block of " + HostsFile + ", auto takes the first where " +
				"the host's programs ask systemd-resolved and else the second, but only for the agent of the host's own socket.",
		},
		{
			Name: SettingPush, Scopes: host, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Primary name servers whose zone " + inventory.Domain + ", and reverse zones if they have them, are made " +
				"ours by dynamic update (RFC 2136), comma-separated addresses with an optional port. They have to allow " +
				"transfer and update with the key in ROOT/" + transferKeyFile + ". What we don't have is removed there.",
		},
		{
			Name: SettingListen, Scopes: host, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Addresses of the host, with an optional port, on which those secondaries are answered too that " +
				"don't reach the bridges. Nobody else is answered there.",
		},
	}...)
}

// Options are the host settings in the form the service acts on.
type Options struct {
	IPv4       netip.Prefix     // zero: claim a free one
	NAT        bool             // put it into inventory.Network
	HostAccess bool             //
	Silent     bool             // what no rule lets through is not told of
	Upstream   []netip.AddrPort // empty: the host's resolv.conf is followed
	// Secondaries may have the zones whole, and are told of changes.
	Secondaries []netip.AddrPort
	Push        []netip.AddrPort // primaries elsewhere that are given the names
	HostNames   string           // how the host's own programs know the names; auto when empty
	Listen      []netip.AddrPort // where they are answered beside the bridges
}

// ReadOptions reads host settings; a missing one has its default. ErrInvalid names what is wrong.
func ReadOptions(values map[string]string) (o Options, err error) {
	o.NAT = true
	told := true
	if text := values[SettingIPv4]; text != "" {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 29 || p.Addr() == p.Masked().Addr() ||
			p.Addr() == lastAddr(p) {
			return o, inventory.Errorf(inventory.ErrInvalid,
				"%s can't be %q; write the gateway's address and a length from 8 to 29, like 10.86.0.1/24",
				SettingIPv4, text)
		}
		o.IPv4 = p
	}
	if o.HostNames, err = readHostNames(values[SettingHostNames]); err != nil {
		return o, err
	}
	for name, field := range map[string]*bool{SettingNAT: &o.NAT, SettingHostAccess: &o.HostAccess,
		SettingLog: &told} {
		if text := values[name]; text != "" {
			on, err := strconv.ParseBool(text)
			if err != nil {
				return o, inventory.Errorf(inventory.ErrInvalid, "%s can't be %q; it is true or false", name, text)
			}
			*field = on
		}
	}
	o.Silent = !told
	for name, field := range map[string]*[]netip.AddrPort{SettingUpstream: &o.Upstream,
		SettingSecondary: &o.Secondaries, SettingListen: &o.Listen, SettingPush: &o.Push} {
		for _, text := range strings.FieldsFunc(values[name], func(r rune) bool { return r == ',' || r == ' ' }) {
			server, err := parseServer(name, text)
			if err != nil {
				return o, err
			}
			*field = append(*field, server)
		}
	}
	return o, nil
}

func parseServer(setting, text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	server, err := netip.ParseAddrPort(text)
	if err != nil || server.Port() == 0 {
		return server, inventory.Errorf(inventory.ErrInvalid,
			"%s can't hold %q; write addresses like 192.0.2.1, 2001:db8::1 or 192.0.2.1:5353", setting, text)
	}
	return server, nil
}
