package inventory

import (
	"net/netip"
	"strings"
)

// ParseProxyAddress reads one end of a proxy: tcp:127.0.0.1:80, udp:[::1]:53.
func ParseProxyAddress(text string) (network string, at netip.AddrPort, err error) {
	network, rest, _ := strings.Cut(text, ":")
	at, parseErr := netip.ParseAddrPort(rest)
	if parseErr != nil || network != "tcp" && network != "udp" || at.Port() == 0 || at.Addr().Zone() != "" {
		return "", at, Errorf(ErrInvalid, "%.60q is no end of a proxy; write it like tcp:127.0.0.1:80 or udp:[::1]:53", text)
	}
	return network, at, nil
}
