package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// encodeRule makes the kernel's expressions of a rule's text, and gives its comment apart.
func encodeRule(text string) (expressions []byte, comment string, err error) {
	e := &encoder{words: strings.Fields(text)}
	for len(e.words) > 0 && e.err == nil {
		word := e.next()
		if do, ok := statements[word]; ok {
			do(e)
		} else {
			e.fail("%q begins nothing", word)
		}
	}
	if e.err != nil {
		return nil, "", fmt.Errorf("rule %q: %w", text, e.err)
	}
	return e.out, e.comment, nil
}

// An encoder is on its way through a rule.
type encoder struct {
	words   []string
	out     attributes
	comment string
	err     error
	// What was asked already, so that it is not asked twice.
	family, protocol byte
}

// statements are what a rule may consist of, by their first word.
var statements map[string]func(*encoder)

func init() {
	statements = map[string]func(*encoder){
		"iifname": func(e *encoder) { e.iface(unix.NFT_META_IIFNAME) },
		"oifname": func(e *encoder) { e.iface(unix.NFT_META_OIFNAME) },
		"ip":      func(e *encoder) { e.address(unix.NFPROTO_IPV4) },
		"ip6":     func(e *encoder) { e.address(unix.NFPROTO_IPV6) },
		"tcp":     func(e *encoder) { e.wants(unix.IPPROTO_TCP); e.port() },
		"udp":     func(e *encoder) { e.wants(unix.IPPROTO_UDP); e.port() },
		"icmp":    func(e *encoder) { e.icmp(unix.NFPROTO_IPV4, unix.IPPROTO_ICMP, icmpTypes) },
		"icmpv6":  func(e *encoder) { e.icmp(unix.NFPROTO_IPV6, unix.IPPROTO_ICMPV6, icmpv6Types) },
		"meta":    (*encoder).meta,
		"ct":      (*encoder).conntrack,
		"fib":     (*encoder).fib,
		"limit":   (*encoder).limit,
		"log":     (*encoder).log,
		"counter": func(e *encoder) { e.expression("counter", func(*attributes) {}) },
		"accept":  func(e *encoder) { e.verdict(verdictAccept, "") },
		"drop":    func(e *encoder) { e.verdict(verdictDrop, "") },
		"jump":    func(e *encoder) { e.verdict(verdictJump, e.next()) },
		"reject":  (*encoder).reject,
		"dnat":    (*encoder).dnat,
		"masquerade": func(e *encoder) {
			e.expression("masq", func(*attributes) {})
		},
		"comment": func(e *encoder) { e.comment = e.quoted() },
	}
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// next takes a word; "" at the end, which nothing is.
func (e *encoder) next() string {
	if len(e.words) == 0 {
		return ""
	}
	word := e.words[0]
	e.words = e.words[1:]
	return word
}

// takes takes the next word if it is that one.
func (e *encoder) takes(word string) bool {
	if len(e.words) > 0 && e.words[0] == word {
		e.words = e.words[1:]
		return true
	}
	return false
}

func (e *encoder) expect(words ...string) {
	for _, word := range words {
		if got := e.next(); got != word {
			e.fail("%q stands where %q has to", got, word)
		}
	}
}

func (e *encoder) quoted() string {
	text, err := strconv.Unquote(e.next())
	if err != nil {
		e.fail("a word in quotes is missing")
	}
	return text
}

func (e *encoder) number(bits int) uint64 {
	word := e.next()
	n, err := strconv.ParseUint(word, 10, bits)
	if err != nil {
		e.fail("%q is no number", word)
	}
	return n
}

func (e *encoder) expression(name string, fill func(*attributes)) {
	e.out.nest(unix.NFTA_LIST_ELEM, func(a *attributes) {
		a.text(unix.NFTA_EXPR_NAME, name)
		a.nest(unix.NFTA_EXPR_DATA, fill)
	})
}

func (e *encoder) load(key uint32) {
	e.expression("meta", func(a *attributes) {
		a.number(unix.NFTA_META_KEY, key)
		a.number(unix.NFTA_META_DREG, unix.NFT_REG_1)
	})
}

func (e *encoder) payload(base, offset, length, register uint32) {
	e.expression("payload", func(a *attributes) {
		a.number(unix.NFTA_PAYLOAD_DREG, register)
		a.number(unix.NFTA_PAYLOAD_BASE, base)
		a.number(unix.NFTA_PAYLOAD_OFFSET, offset)
		a.number(unix.NFTA_PAYLOAD_LEN, length)
	})
}

func (e *encoder) compare(op uint32, value []byte) {
	e.expression("cmp", func(a *attributes) {
		a.number(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		a.number(unix.NFTA_CMP_OP, op)
		a.nest(unix.NFTA_CMP_DATA, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, value) })
	})
}

func (e *encoder) mask(mask []byte) {
	e.expression("bitwise", func(a *attributes) {
		a.number(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
		a.number(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
		a.number(unix.NFTA_BITWISE_LEN, uint32(len(mask)))
		a.nest(unix.NFTA_BITWISE_MASK, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, mask) })
		a.nest(unix.NFTA_BITWISE_XOR, func(a *attributes) { a.bytes(unix.NFTA_DATA_VALUE, make([]byte, len(mask))) })
	})
}

// lookup looks the register up in a set; into is where a map's data goes, -1 for a set.
func (e *encoder) lookup(set string, not bool, from uint32, into int) {
	e.expression("lookup", func(a *attributes) {
		a.text(unix.NFTA_LOOKUP_SET, set)
		a.number(unix.NFTA_LOOKUP_SREG, from)
		if into >= 0 {
			a.number(unix.NFTA_LOOKUP_DREG, uint32(into))
		}
		if not {
			a.number(unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV)
		}
	})
}

func (e *encoder) immediate(register uint32, fill func(*attributes)) {
	e.expression("immediate", func(a *attributes) {
		a.number(unix.NFTA_IMMEDIATE_DREG, register)
		a.nest(unix.NFTA_IMMEDIATE_DATA, fill)
	})
}

func (e *encoder) verdict(code uint32, chain string) {
	e.immediate(unix.NFT_REG_VERDICT, func(a *attributes) { putVerdict(a, code, chain) })
}

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
