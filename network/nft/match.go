package nft

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// is compares the register with a value or a set, whichever the next word is.
func (e *encoder) is(parse func(string) ([]byte, error)) {
	not := e.takes("!=")
	word := e.next()
	if set, ok := strings.CutPrefix(word, "@"); ok {
		e.lookup(set, not, unix.NFT_REG_1, -1)
		return
	}
	value, err := parse(word)
	if err != nil {
		e.fail("%v", err)
	}
	op := uint32(unix.NFT_CMP_EQ)
	if not {
		op = unix.NFT_CMP_NEQ
	}
	e.compare(op, value)
}

func (e *encoder) iface(key uint32) {
	e.load(key)
	e.is(interfaceBytes)
}

// ofFamily asks for packets of one family, as others have something else where its fields are.
func (e *encoder) ofFamily(family byte) {
	if e.family != family {
		e.load(unix.NFT_META_NFPROTO)
		e.compare(unix.NFT_CMP_EQ, []byte{family})
		e.family = family
	}
}

func (e *encoder) wants(protocol byte) {
	if e.protocol != protocol {
		e.load(unix.NFT_META_L4PROTO)
		e.compare(unix.NFT_CMP_EQ, []byte{protocol})
		e.protocol = protocol
	}
}

// address is "saddr" or "daddr" with a prefix, a set, or vmap and a map.
func (e *encoder) address(family byte) {
	e.ofFamily(family)
	offset, length := uint32(12), uint32(4) // RFC 791, 3.1
	if family == unix.NFPROTO_IPV6 {
		offset, length = 8, 16 // RFC 8200, 3
	}
	switch field := e.next(); field {
	case "saddr":
	case "daddr":
		offset += length
	default:
		e.fail("%q is neither saddr nor daddr", field)
	}
	e.payload(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, length, unix.NFT_REG_1)
	if e.takes("vmap") {
		e.lookup(strings.TrimPrefix(e.next(), "@"), false, unix.NFT_REG_1, unix.NFT_REG_VERDICT)
		return
	}
	e.is(func(text string) ([]byte, error) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return addressBytes(text)
		}
		if p.Bits() < int(length)*8 {
			e.mask(maskOf(p.Bits(), int(length)))
		}
		return p.Masked().Addr().AsSlice(), nil
	})
}

func maskOf(bits, length int) []byte {
	mask := make([]byte, length)
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}

// port is "dport" with a port, a range, or vmap and a map.
func (e *encoder) port() {
	e.expect("dport")
	e.payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, unix.NFT_REG_1)
	if e.takes("vmap") {
		e.lookup(strings.TrimPrefix(e.next(), "@"), false, unix.NFT_REG_1, unix.NFT_REG_VERDICT)
		return
	}
	first, last, isRange := strings.Cut(e.next(), "-")
	low, err := portBytes(first)
	if err != nil {
		e.fail("%v", err)
	}
	if !isRange {
		e.compare(unix.NFT_CMP_EQ, low)
		return
	}
	high, err := portBytes(last)
	if err != nil {
		e.fail("%v", err)
	}
	e.compare(unix.NFT_CMP_GTE, low)
	e.compare(unix.NFT_CMP_LTE, high)
}

var icmpTypes = map[string]byte{"redirect": 5}

var icmpv6Types = map[string]byte{"mld-listener-report": 131, "mld2-listener-report": 143, "nd-router-solicit": 133,
	"nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137}

func (e *encoder) icmp(family, protocol byte, types map[string]byte) {
	e.expect("type")
	number, ok := types[e.next()]
	if !ok {
		e.fail("this type of ICMP is not known")
	}
	e.ofFamily(family)
	e.wants(protocol)
	e.payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, unix.NFT_REG_1)
	e.compare(unix.NFT_CMP_EQ, []byte{number})
}

var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "icmp": unix.IPPROTO_ICMP,
	"ipv6-icmp": unix.IPPROTO_ICMPV6}

func (e *encoder) meta() {
	key, value := e.next(), e.next()
	number, known := protocols[value]
	switch {
	case key == "l4proto" && known:
		e.wants(number)
	case key == "nfproto" && value == "ipv4":
		e.ofFamily(unix.NFPROTO_IPV4)
	case key == "nfproto" && value == "ipv6":
		e.ofFamily(unix.NFPROTO_IPV6)
	default:
		e.fail("meta %s %s is not known", key, value)
	}
}

// The bits of conntrack (enum ip_conntrack_info and ip_conntrack_status).
var states = map[string]uint32{"invalid": 1, "established": 2, "related": 4, "new": 8}

const statusDNAT = 1 << 5

func (e *encoder) conntrack() {
	key, bits := uint32(unix.NFT_CT_STATE), uint32(0)
	switch field := e.next(); {
	case field == "status" && e.takes("dnat"):
		key, bits = unix.NFT_CT_STATUS, statusDNAT
	case field == "state":
		for name := range strings.SplitSeq(e.next(), ",") {
			if bits |= states[name]; states[name] == 0 {
				e.fail("%q is no state", name)
			}
		}
	default:
		e.fail("ct %s is not known", field)
	}
	e.expression("ct", func(a *attributes) {
		a.number(unix.NFTA_CT_KEY, key)
		a.number(unix.NFTA_CT_DREG, unix.NFT_REG_1)
	})
	e.mask(binary.NativeEndian.AppendUint32(nil, bits))
	e.compare(unix.NFT_CMP_NEQ, make([]byte, 4))
}

// fib is "fib daddr type local": what is sent to an address of this host.
func (e *encoder) fib() {
	e.expect("daddr", "type", "local")
	e.expression("fib", func(a *attributes) {
		a.number(unix.NFTA_FIB_DREG, unix.NFT_REG_1)
		a.number(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
		a.number(unix.NFTA_FIB_FLAGS, unix.NFTA_FIB_F_DADDR)
	})
	e.compare(unix.NFT_CMP_EQ, binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL))
}
