package network

import (
	"crypto/rand"
	"net/netip"

	"lodge/inventory"
)

// widePrefix: routes at least this wide (a VPN that claims all of 10.0.0.0/8) are overlooked when
// nothing else is free, because a more specific route on our bridge wins over them.
const widePrefix = 15

// FreeIPv4 returns the first private /24 that overlaps none of the occupied prefixes, in gateway
// form: 10.86.0.1/24, then 10.86.1.1/24 ... 10.255.255.1/24, 172.16-31 and 192.168 last. Only when all
// of them overlap are routes of /15 and wider overlooked. ErrQuota: nothing at all is free.
func FreeIPv4(occupied []netip.Prefix) (netip.Prefix, error) {
	narrow := make([]netip.Prefix, 0, len(occupied))
	for _, p := range occupied {
		if !p.Addr().Is4() || p.Bits() > widePrefix {
			narrow = append(narrow, p)
		}
	}
	for _, taken := range [][]netip.Prefix{occupied, narrow} {
		if p, ok := firstFree(taken); ok {
			return netip.PrefixFrom(p.Addr().Next(), p.Bits()), nil
		}
	}
	return netip.Prefix{}, inventory.Errorf(inventory.ErrQuota,
		"no private /24 is free on this host; set network.ipv4 to a prefix the bridge may use")
}

func firstFree(taken []netip.Prefix) (netip.Prefix, bool) {
	for _, block := range []struct{ a, from, to byte }{{10, 86, 255}, {172, 16, 31}, {192, 168, 168}} {
		for b := int(block.from); b <= int(block.to); b++ {
			for c := 0; c <= 255; c++ {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{block.a, byte(b), byte(c), 0}), 24)
				if !overlapsAny(p, taken) {
					return p, true
				}
			}
		}
	}
	return netip.Prefix{}, false
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		// A default route covers everything and forbids nothing.
		if o.Bits() > 0 && o.Overlaps(p) {
			return true
		}
	}
	return false
}

// RandomULA returns the gateway's address ::1 in the first /64 of a fresh random /48 (RFC 4193, 3.2:
// fd00::/8 and 40 random bits), so networks of two hosts can be joined later without renumbering.
func RandomULA() netip.Prefix {
	var raw [16]byte
	rand.Read(raw[1:6])
	raw[0], raw[15] = 0xfd, 1
	return netip.PrefixFrom(netip.AddrFrom16(raw), 64)
}
