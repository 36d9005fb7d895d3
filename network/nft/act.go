package nft

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limit is "limit rate N/second burst M packets".
func (e *encoder) limit() {
	e.expect("rate")
	text, ok := strings.CutSuffix(e.next(), "/second")
	rate, err := strconv.ParseUint(text, 10, 32)
	if e.expect("burst"); !ok || err != nil {
		e.fail("a rate is missing")
	}
	burst := e.number(32)
	e.expect("packets")
	e.expression("limit", func(a *attributes) {
		a.long(unix.NFTA_LIMIT_RATE, rate)
		a.long(unix.NFTA_LIMIT_UNIT, 1)
		a.number(unix.NFTA_LIMIT_BURST, uint32(burst))
	})
}

func (e *encoder) log() {
	e.expect("prefix")
	prefix := e.quoted()
	e.expect("group")
	group := uint16(e.number(16))
	e.expression("log", func(a *attributes) {
		a.text(unix.NFTA_LOG_PREFIX, prefix)
		a.bytes(unix.NFTA_LOG_GROUP, binary.BigEndian.AppendUint16(nil, group))
	})
}

func (e *encoder) reject() {
	e.expect("with", "icmpx", "admin-prohibited")
	e.expression("reject", func(a *attributes) {
		const icmpx = 2 // NFT_REJECT_ICMPX_UNREACH
		a.number(unix.NFTA_REJECT_TYPE, icmpx)
		a.bytes(unix.NFTA_REJECT_ICMP_CODE, []byte{unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	})
}

// dnat is "dnat ip to ADDRESS", with ":PORT", or with ":tcp dport map @MAP" behind it.
func (e *encoder) dnat() {
	family := byte(unix.NFPROTO_IPV4)
	if e.next() == "ip6" {
		family = unix.NFPROTO_IPV6
	}
	e.expect("to")
	target := e.next()
	address, err := netip.ParseAddr(strings.Trim(target, "[]"))
	mapped := false
	var port []byte
	if at, isMap := cutMap(target); isMap {
		e.expect("dport", "map")
		address, err = netip.ParseAddr(strings.Trim(at, "[]"))
		e.payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, unix.NFT_REG_2)
		e.lookup(strings.TrimPrefix(e.next(), "@"), false, unix.NFT_REG_2, unix.NFT_REG_2)
		mapped = true
	} else if both, err2 := netip.ParseAddrPort(target); err != nil && err2 == nil {
		address, err = both.Addr(), nil
		port = binary.BigEndian.AppendUint16(nil, both.Port())
	}
	if err != nil {
		e.fail("%q is nothing to go to", target)
	}
	e.immediate(unix.NFT_REG_1, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, address.AsSlice()) })
	if port != nil {
		e.immediate(unix.NFT_REG_2, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, port) })
	}
	e.expression("nat", func(a *attributes) {
		a.number(unix.NFTA_NAT_TYPE, unix.NFT_NAT_DNAT)
		a.number(unix.NFTA_NAT_FAMILY, uint32(family))
		a.number(unix.NFTA_NAT_REG_ADDR_MIN, unix.NFT_REG_1)
		if mapped || port != nil {
			a.number(unix.NFTA_NAT_REG_PROTO_MIN, unix.NFT_REG_2)
		}
	})
}

// cutMap cuts the protocol off whose ports a map is for.
func cutMap(target string) (address string, isMap bool) {
	for _, protocol := range []string{":tcp", ":udp"} {
		if at, ok := strings.CutSuffix(target, protocol); ok {
			return at, true
		}
	}
	return target, false
}
