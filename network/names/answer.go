package names

import (
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// answer fills m for a question about a name of ours; false when the name is not ours. Names are
// compared without regard to case and answered in the asker's (RFC 4343).
func (t *table) answer(m *dns.Msg, q dns.Question) bool {
	name := strings.ToLower(q.Name)
	apex := t.apex(name)
	if apex == "" {
		return false
	}
	m.Authoritative = true
	pointers, exists := t.reverse(name)
	n, ok := t.nodes[name]
	if !ok {
		n = &node{}
	}
	if !ok && !exists {
		m.Rcode = dns.RcodeNameError
	}
	m.Answer = t.records(n, pointers, q, apex == name)
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{t.soa(apex, apex)}
	}
	return true
}

// reverse returns the names of the address that a reverse name means. A partial name is always said to
// exist: whether an address stands below it is not worth knowing.
func (t *table) reverse(name string) (pointers []string, exists bool) {
	a, partial, ok := parseReverse(name)
	if !ok || partial {
		return nil, ok
	}
	pointers, exists = t.pointers[a]
	return pointers, exists
}

func (t *table) records(n *node, pointers []string, q dns.Question, isApex bool) []dns.RR {
	var out []dns.RR
	want := func(kind uint16) bool { return q.Qtype == kind || q.Qtype == dns.TypeANY }
	if want(dns.TypeA) {
		for _, a := range n.v4 {
			out = append(out, &dns.A{Hdr: header(q.Name, dns.TypeA), A: toIP(a)})
		}
	}
	if want(dns.TypeAAAA) {
		for _, a := range n.v6 {
			out = append(out, &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA), AAAA: toIP(a)})
		}
	}
	if want(dns.TypePTR) {
		for _, target := range pointers {
			out = append(out, &dns.PTR{Hdr: header(q.Name, dns.TypePTR), Ptr: target})
		}
	}
	if isApex && want(dns.TypeSOA) {
		out = append(out, t.soa(q.Name, strings.ToLower(q.Name)))
	}
	if isApex && want(dns.TypeNS) {
		out = append(out, &dns.NS{Hdr: header(q.Name, dns.TypeNS), Ns: t.server()})
	}
	return out
}

// server is the name of this server: the domain itself, whose addresses are the gateways. A name
// below it could be a container's.
func (t *table) server() string { return dns.Fqdn(strings.ToLower(t.zone.Domain)) }

// soa is the record that goes with every negative answer; its minimum limits how long "no such
// name" is kept (RFC 2308, 4).
func (t *table) soa(owner, apex string) dns.RR {
	mail := "hostmaster." + apex
	if len(mail) > 253 {
		mail = apex
	}
	return &dns.SOA{Hdr: header(owner, dns.TypeSOA), Ns: t.server(), Mbox: mail,
		Serial: t.zone.Serial, Refresh: 60, Retry: 10, Expire: 3600, Minttl: TTL}
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: TTL}
}

func toIP(a netip.Addr) net.IP { return a.AsSlice() }
