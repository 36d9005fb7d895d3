// Package names is the DNS server of the bridges: authoritative for the containers' names and
// addresses, a forwarder for everything else. It knows no agent and no bridge: it is given sockets
// and a [Zone], and answers from the last one it was given.
package names

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"lodge/inventory"
)

// A Zone is everything the server answers from. It is always replaced whole.
type Zone struct {
	Serial   uint32 `json:"serial"` // grows with every change (RFC 1982)
	Domain   string `json:"domain"` // "lodge.internal"
	Networks []Net  `json:"networks"`
	// Entries are the containers.
	Entries []Entry `json:"entries"`
	// Records are those somebody added.
	Records []Record `json:"records,omitempty"`
	// Transfer says who may have the whole zone.
	Transfer Transfer `json:"transfer,omitzero"`
	// Upstreams are asked about everything that isn't ours, in this order.
	Upstreams []netip.AddrPort `json:"upstreams"`
}

// A Net is one bridge: who may ask, and which reverse zones are ours.
type Net struct {
	IPv4 netip.Prefix `json:"ipv4"` // the gateway's address and the length
	IPv6 netip.Prefix `json:"ipv6"` // zero without IPv6
}

// An Entry is one container's names and addresses.
type Entry struct {
	Name    string     `json:"name"`
	Project string     `json:"project"`
	IPv4    netip.Addr `json:"ipv4"`
	IPv6    netip.Addr `json:"ipv6"` // zero without
	Owner   string     `json:"owner,omitempty"`
	// SSHFP are the fingerprints of its SSH host keys: algorithm, type and digest (RFC 4255).
	SSHFP    []string  `json:"sshfp,omitempty"`
	Services []Service `json:"services,omitempty"`
}

func (e Entry) same(o Entry) bool {
	return e.Name == o.Name && e.Project == o.Project && e.IPv4 == o.IPv4 && e.IPv6 == o.IPv6 && e.Owner == o.Owner &&
		slices.Equal(e.SSHFP, o.SSHFP) && slices.Equal(e.Services, o.Services)
}

// Same reports whether two zones answer alike: all but their serials is equal.
func (z Zone) Same(o Zone) bool {
	return z.Domain == o.Domain && slices.Equal(z.Networks, o.Networks) &&
		slices.EqualFunc(z.Entries, o.Entries, Entry.same) && slices.Equal(z.Records, o.Records) &&
		z.Transfer.same(o.Transfer) && slices.Equal(z.Upstreams, o.Upstreams)
}

// TTL of our own records, in seconds. A cache inside a container must not keep a name wrong for
// longer than this; asking again costs some microseconds.
const TTL = 1

// node is one name of ours. A node without data stands above one that has some (an empty
// non-terminal, RFC 8020): it exists, so it is no NXDOMAIN.
type node struct {
	v4, v6 []netip.Addr
	rest   []dns.RR   // everything else; the owner's name in lower case
	alias  *dns.CNAME // then there is nothing else
}

// table is a zone made ready for look-up. It is never changed.
type table struct {
	zone   Zone
	apexes []string // names of our zones, lower case and with the final dot
	nodes  map[string]*node
	// pointers are kept by address and not by name: 18 names would stand above every IPv6 address.
	pointers map[netip.Addr][]string
	local    []netip.Prefix // who may ask
}

// Apexes are the names of the zones that are answered: the domain, and where addresses of its networks
// are names. They are in lower case with the final dot, in order.
func (z Zone) Apexes() []string {
	out := []string{dns.Fqdn(strings.ToLower(z.Domain))}
	for _, n := range z.Networks {
		for _, p := range []netip.Prefix{n.IPv4, n.IPv6} {
			if p.IsValid() {
				out = append(out, reverseZones(p)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func newTable(z Zone) *table {
	t := &table{zone: z, nodes: make(map[string]*node, 2*len(z.Entries)),
		pointers: make(map[netip.Addr][]string, 2*len(z.Entries))}
	domain := dns.Fqdn(strings.ToLower(z.Domain))
	t.apexes = z.Apexes()
	apex := t.node(domain)
	for _, n := range z.Networks {
		for _, p := range []netip.Prefix{n.IPv4, n.IPv6} {
			if !p.IsValid() {
				continue
			}
			t.local = append(t.local, p.Masked())
			apex.add(p.Addr())
			t.pointer(p.Addr(), domain)
		}
	}
	for _, a := range t.apexes {
		t.node(a)
	}
	for _, e := range z.Entries {
		t.addEntry(e, domain)
	}
	t.addRecords()
	return t
}

// addEntry gives a container its names. The pointer goes to the name a person would type.
func (t *table) addEntry(e Entry, domain string) {
	project := cmp.Or(e.Project, inventory.DefaultProject)
	canonical := strings.ToLower(e.Name + "." + project + "." + domain)
	own := []string{canonical}
	if project == inventory.DefaultProject {
		canonical = strings.ToLower(e.Name + "." + domain)
		own = append(own, canonical)
	}
	for _, name := range own {
		t.node(name).addEntry(e)
	}
	for _, a := range []netip.Addr{e.IPv4, e.IPv6} {
		if a.IsValid() {
			t.pointer(a, canonical)
		}
	}
	t.addFacts(e, canonical, own, domain)
}

func (n *node) addEntry(e Entry) {
	for _, a := range []netip.Addr{e.IPv4, e.IPv6} {
		if a.IsValid() {
			n.add(a)
		}
	}
}

// node returns the node of a name, made with all nodes between it and its zone.
func (t *table) node(name string) *node {
	if n, ok := t.nodes[name]; ok {
		return n
	}
	n := &node{}
	t.nodes[name] = n
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		parent := name[off:]
		if _, ok := t.nodes[parent]; ok || t.apex(parent) == "" {
			break
		}
		t.nodes[parent] = &node{}
	}
	return n
}

func (n *node) add(a netip.Addr) {
	list := &n.v4
	if a.Is6() {
		list = &n.v6
	}
	if !slices.Contains(*list, a) {
		*list = append(*list, a)
	}
}

func (t *table) pointer(a netip.Addr, target string) {
	if have := t.pointers[a]; !slices.Contains(have, target) {
		t.pointers[a] = append(have, target)
	}
}

// apex returns the zone of ours that name lies in; "" for none. Name is in lower case.
func (t *table) apex(name string) string {
	for _, a := range t.apexes {
		if name == a || strings.HasSuffix(name, "."+a) {
			return a
		}
	}
	return ""
}

// isLocal reports whether a source may ask: containers, and the host through a gateway address.
func (t *table) isLocal(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range t.local {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
