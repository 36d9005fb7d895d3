package network

import (
	"net/netip"
	"os"
	"strings"
)

// ResolvConf is where the host's resolvers are written (resolv.conf(5)).
const ResolvConf = "/etc/resolv.conf"

// Nameservers reads the name servers of a resolv.conf, in order, each once. Lines it can't read are
// left out: a resolver of the host overlooks them too. A missing file has none.
func Nameservers(path string) ([]netip.Addr, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return parseNameservers(string(text)), err
}

func parseNameservers(text string) []netip.Addr {
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		a, err := netip.ParseAddr(fields[1])
		if err != nil || a.IsUnspecified() || seen[a] {
			continue
		}
		seen[a] = true
		out = append(out, a)
	}
	return out
}

// upstreams turns resolver addresses into the ones names may be forwarded to. Our own gateways are
// left out: a host that resolves through the bridge would make us ask ourselves.
func upstreams(servers []netip.Addr, own func(netip.Addr) bool) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range servers {
		if !own(a.Unmap()) {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	return out
}
