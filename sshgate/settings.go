package sshgate

import (
	"net"
	"net/netip"

	"lodge/inventory"
)

// Names of the settings.
const (
	SettingListen = "ssh.listen"
	SettingBanner = "ssh.banner"
	SettingAgent  = "ssh.agent"
	// SettingLifetime is the MostLifetime of Config.
	SettingLifetime = "ssh.authority.lifetime"
)

// DefaultListen is where the door is unless it is told otherwise or the port is taken.
const DefaultListen = "127.0.0.1:2222"

// DefaultLifetime is ssh.authority.lifetime.
const DefaultLifetime = "24h0m0s"

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	host := []inventory.Scope{inventory.ScopeHost}
	return []inventory.Setting{
		{Name: SettingListen, Scopes: host, Type: inventory.TypeText, Effect: inventory.EffectRestart, Risk: inventory.RiskHigh,
			Doc: "Where ssh connects to reach containers, like 0.0.0.0:2222 or [::]:22; off: nowhere. Left empty it is " + DefaultListen +
				", or another port of 127.0.0.1 where that is taken. It holds from the next start of the agent. Where systemd opens the port (lodged-ssh.socket), it only says off."},
		{Name: SettingBanner, Scopes: host, Type: inventory.TypeText, Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "What everybody is shown before they sign in by ssh."},
		{Name: SettingAgent, Scopes: []inventory.Scope{inventory.ScopeContainer, inventory.ScopeProject, inventory.ScopeHost},
			Type: inventory.TypeBool, Default: "false", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Whether who comes by ssh -A may have their ssh-agent answer inside, for connections from now on. " +
				"Root inside can use it as long as they are there."},
		{Name: SettingLifetime, Scopes: host, Type: inventory.TypeDuration, Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Default: DefaultLifetime, Min: "1m", Max: "365d",
			Doc: "The longest time an SSH certificate of an authority from outside (lodge ssh authority) may be good for in all."},
	}
}

// CheckListen reports whether ssh.listen can be set so.
func CheckListen(value string) error {
	if value == "" || value == "off" {
		return nil
	}
	if host, port, err := net.SplitHostPort(value); err == nil && host == "" {
		value = net.JoinHostPort("::", port)
	}
	if _, err := netip.ParseAddrPort(value); err != nil {
		return inventory.Errorf(inventory.ErrInvalid, "ssh.listen can't be %q; write an address and a port like 0.0.0.0:2222, or off", value)
	}
	return nil
}
