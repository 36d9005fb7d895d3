package names

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const (
	arpa4 = ".in-addr.arpa."
	arpa6 = ".ip6.arpa."
)

// parseReverse reads a name below in-addr.arpa or ip6.arpa (RFC 1035, 3.5; RFC 3596, 2.5). A name with
// all its labels means one address; one with fewer stands above addresses and is partial. Names that
// mean nothing are not ok. The name is in lower case.
func parseReverse(name string) (a netip.Addr, partial, ok bool) {
	rest, is4 := strings.CutSuffix(name, arpa4)
	if !is4 {
		if rest, ok = strings.CutSuffix(name, arpa6); !ok {
			return a, false, false
		}
	}
	size, base, step := 32, 16, 1
	if is4 {
		size, base, step = 4, 10, 2
	}
	labels := strings.Split(rest, ".")
	if len(labels) > size {
		return a, false, false
	}
	var raw [16]byte
	for i, label := range labels {
		// "007" and "+7" are other names than "7" and mean no address.
		v, err := strconv.ParseUint(label, base, 4*step)
		if err != nil || strconv.FormatUint(v, base) != label {
			return a, false, false
		}
		if nibble := len(labels) - 1 - i; is4 {
			raw[nibble] = byte(v)
		} else {
			raw[nibble/2] |= byte(v) << (4 * (1 - nibble%2))
		}
	}
	if a = netip.AddrFrom16(raw); is4 {
		a = netip.AddrFrom4([4]byte(raw[:4]))
	}
	return a, len(labels) < size, true
}

// reverseZones returns the zones below in-addr.arpa and ip6.arpa that hold a prefix, cut at the next
// label: a /24 is one zone, a /22 four, a /26 the /24 it lies in (RFC 1035, 3.5; RFC 3596, 2.5).
func reverseZones(p netip.Prefix) []string {
	step := 8
	if p.Addr().Is6() {
		step = 4
	}
	bits := (p.Bits() + step - 1) / step * step
	if last := p.Addr().BitLen() - step; bits > last {
		bits = last
	}
	bits = max(bits, step)
	var zones []string
	for a := netip.PrefixFrom(p.Masked().Addr(), bits).Masked().Addr(); ; {
		reverse, err := dns.ReverseAddr(a.String())
		if err != nil {
			return zones
		}
		labels := dns.SplitDomainName(reverse)
		skip := (a.BitLen() - bits) / step
		zones = append(zones, dns.Fqdn(strings.Join(labels[skip:], ".")))
		next := addBit(a, bits)
		if !next.IsValid() || !p.Contains(next) {
			return zones
		}
		a = next
	}
}

// addBit adds one to the prefix of the given length; the zero Addr after the last.
func addBit(a netip.Addr, bits int) netip.Addr {
	raw := a.AsSlice()
	i, unit := (bits-1)/8, byte(1)<<((8-bits%8)%8)
	for ; i >= 0; i, unit = i-1, 1 {
		raw[i] += unit
		if raw[i] >= unit {
			next, _ := netip.AddrFromSlice(raw)
			return next
		}
	}
	return netip.Addr{}
}
