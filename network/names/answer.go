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
	if n.alias != nil && q.Qtype != dns.TypeCNAME && q.Qtype != dns.TypeANY {
		t.follow(m, n.alias, q)
		return true
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
	rest := n.rest
	if n.alias != nil {
		rest = []dns.RR{n.alias}
	}
	for _, rr := range rest {
		if want(rr.Header().Rrtype) {
			rr = dns.Copy(rr)
			rr.Header().Name = q.Name
			out = append(out, rr)
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
		Serial: t.zone.Serial, Refresh: 60, Retry: 10, Expire: expireTime, Minttl: TTL}
}

// expireTime is how long a secondary goes on without hearing of us, in seconds: a host may be down over
// a holiday, and its names still mean the same.
const expireTime = 14 * 24 * 3600

// maxAliases is how many aliases that point to aliases are followed.
const maxAliases = 8

// follow answers a question about an alias: the alias, then what it stands for as far as that is ours
// (RFC 1034, 4.3.2).
func (t *table) follow(m *dns.Msg, alias *dns.CNAME, q dns.Question) {
	owner := q.Name
	for range maxAliases {
		rr := *alias
		rr.Hdr.Name = owner
		m.Answer = append(m.Answer, &rr)
		owner = strings.ToLower(alias.Target)
		apex := t.apex(owner)
		if apex == "" {
			return // the forwarder's
		}
		n := t.nodes[owner]
		if n == nil {
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{t.soa(apex, apex)}
			return
		}
		if n.alias == nil {
			q.Name = owner
			found := t.records(n, nil, q, apex == owner)
			if m.Answer = append(m.Answer, found...); len(found) == 0 {
				m.Ns = []dns.RR{t.soa(apex, apex)}
			}
			return
		}
		alias = n.alias
	}
}

// leavesTo is where an answer of ours ends with an alias of a name that isn't ours; "" if it doesn't.
func (t *table) leavesTo(m *dns.Msg) string {
	if len(m.Answer) == 0 {
		return ""
	}
	alias, ok := m.Answer[len(m.Answer)-1].(*dns.CNAME)
	if !ok || t.apex(strings.ToLower(alias.Target)) != "" {
		return ""
	}
	return alias.Target
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: TTL}
}

func toIP(a netip.Addr) net.IP { return a.AsSlice() }
