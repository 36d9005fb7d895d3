package nft

import (
	"fmt"
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
