package names

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"lodge/inventory"
)

// A Record is one somebody added, beside those of the containers.
type Record struct {
	Name string `json:"name"` // below the domain, without it: "www", "_http._tcp.shop"; "" for the domain itself
	Type string `json:"type"` // "CNAME"
	Data string `json:"data"` // as in a zone file; names in it end with a dot or are relative to the domain
	TTL  uint32 `json:"ttl"`  // seconds
}

// Kinds are the record types that can be added.
var Kinds = []string{"A", "AAAA", "CNAME", "TXT", "MX", "SRV", "CAA", "SSHFP"}

// Parse reads a record as the zone file of domain would. ErrInvalid says what is wrong with it.
func (r Record) Parse(domain string) (dns.RR, error) {
	kind := strings.ToUpper(r.Type)
	if !slices.Contains(Kinds, kind) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%q is no record that can be added; those are %s", r.Type,
			strings.Join(Kinds, ", "))
	}
	origin := dns.Fqdn(strings.ToLower(domain))
	owner := origin
	if r.Name != "" {
		owner = strings.ToLower(r.Name) + "." + origin
	}
	if _, ok := dns.IsDomainName(owner); !ok || strings.ContainsAny(r.Name+r.Data, "\n\r;()") || strings.ContainsAny(r.Name,
		" \t*\\\"$@") || strings.HasSuffix(r.Name, ".") {
		return nil, inventory.Errorf(inventory.ErrInvalid, "a record can't be named %q; write labels below %s", r.Name, domain)
	}
	data := r.Data
	if kind == "TXT" && !strings.HasPrefix(data, `"`) {
		data = strconv.Quote(data)
	}
	parser := dns.NewZoneParser(strings.NewReader(fmt.Sprintf("%s %d IN %s %s\n", owner, cmp.Or(r.TTL, TTL), kind, data)),
		origin, "")
	rr, ok := parser.Next()
	if !ok || parser.Err() != nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%q is no data of a %s record: %v", r.Data, kind, parser.Err())
	}
	return rr, nil
}

// A Service is one that a container says it offers, by a label.
type Service struct {
	Name  string `json:"name"`  // "http"
	Proto string `json:"proto"` // tcp or udp
	Port  uint16 `json:"port"`
}

// ServicePrefix begins labels that name a service: service.http=80, service.dns=53/udp.
const ServicePrefix = "service."

// Services reads the labels of a container. One that can't be read is left out: a label is a person's
// to write, and a wrong one takes no name away.
func Services(labels map[string]string) []Service {
	var out []Service
	for key, value := range labels {
		name, ok := strings.CutPrefix(key, ServicePrefix)
		if !ok || inventory.CheckName("the service", name) != nil {
			continue
		}
		number, proto, _ := strings.Cut(value, "/")
		proto = cmp.Or(strings.ToLower(proto), "tcp")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil || port == 0 || proto != "tcp" && proto != "udp" {
			continue
		}
		out = append(out, Service{name, proto, uint16(port)})
	}
	slices.SortFunc(out, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	return out
}

// addFacts gives the names of a container what isn't an address: owner, keys, services.
func (t *table) addFacts(e Entry, canonical string, own []string, domain string) {
	project := cmp.Or(e.Project, inventory.DefaultProject)
	for _, name := range own {
		if e.Owner != "" {
			t.rr(&dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: []string{clip("owner=" + e.Owner)}})
		}
		for _, key := range e.SSHFP {
			if rr, err := dns.NewRR(fmt.Sprintf("%s %d IN SSHFP %s", name, TTL, key)); err == nil && rr != nil {
				t.rr(rr)
			}
		}
	}
	under := append([]string{project + "." + domain}, own...)
	if project == inventory.DefaultProject {
		under = append(under, domain)
	}
	for _, s := range e.Services {
		for _, parent := range under {
			t.rr(&dns.SRV{Hdr: header(strings.ToLower("_"+s.Name+"._"+s.Proto+"."+parent), dns.TypeSRV), Port: s.Port,
				Target: canonical})
		}
		// The project is always said: "svc" alone could be a project of others.
		n := t.node(strings.ToLower(s.Name + ".svc." + project + "." + domain))
		n.addEntry(e)
	}
}

// clip holds a text to what one string of a TXT record takes (RFC 1035, 3.3).
func clip(text string) string { return text[:min(len(text), 255)] }

// rr adds a record under its own name, once.
func (t *table) rr(rr dns.RR) {
	n := t.node(rr.Header().Name)
	if !slices.ContainsFunc(n.rest, func(have dns.RR) bool { return dns.IsDuplicate(have, rr) }) {
		n.rest = append(n.rest, rr)
	}
}

// addRecords adds what somebody wrote. A CNAME stands alone (RFC 2181, 10.1): where there is anything
// else, the container that came later counts and the alias doesn't.
func (t *table) addRecords() {
	for _, r := range t.zone.Records {
		rr, err := r.Parse(t.zone.Domain)
		if err != nil {
			continue // checked when it was added; a role of another version may know less
		}
		switch rr := rr.(type) {
		case *dns.A, *dns.AAAA:
			t.rr(rr)
		case *dns.CNAME:
			if n := t.node(rr.Hdr.Name); len(n.v4)+len(n.v6)+len(n.rest) == 0 {
				n.alias = rr
			}
		default:
			if n := t.node(rr.Header().Name); n.alias == nil {
				t.rr(rr)
			}
		}
	}
}
