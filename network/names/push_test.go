package names

import (
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// What differs is said, and nothing else: TTLs, the case of names, and what is the server's own don't.
func TestDifference(t *testing.T) {
	records := func(lines ...string) (out []dns.RR) {
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rr)
		}
		return out
	}
	const apex = "lodge.internal."
	soa := apex + " 60 IN SOA ns.example. root.example. 7 1 1 1 1"
	theirs := records(soa, apex+" 60 IN NS ns.example.", "WEB1.lodge.internal. 60 IN A 10.86.0.2", "web2.lodge.internal. 1 IN A 10.86.0.3",
		"www.lodge.internal. 1 IN A 192.0.2.1", "sub.lodge.internal. 1 IN NS ns.example.", apex+" 60 IN TYPE65534 \\# 1 00", soa)
	ours := records(apex+" 1 IN SOA a. b. 9 1 1 1 1", apex+" 1 IN NS "+apex, "web1.lodge.internal. 1 IN A 10.86.0.2",
		"web2.lodge.internal. 1 IN A 10.86.0.4", "www.lodge.internal. 1 IN CNAME web1.lodge.internal.")
	remove, insert := difference(theirs, ours, apex)
	said := func(all []dns.RR) (out []string) {
		for _, rr := range all {
			out = append(out, fmt.Sprint(rr.Header().Name, dns.TypeToString[rr.Header().Rrtype]))
		}
		slices.Sort(out)
		return out
	}
	if got, want := said(remove), []string{"sub.lodge.internal.NS", "web2.lodge.internal.A", "www.lodge.internal.A"}; !slices.Equal(got, want) {
		t.Errorf("to remove: %v, want %v", got, want)
	}
	if got, want := said(insert), []string{"web2.lodge.internal.A", "www.lodge.internal.CNAME"}; !slices.Equal(got, want) {
		t.Errorf("to insert: %v, want %v", got, want)
	}
	if remove, insert := difference(ours, ours, apex); len(remove)+len(insert) > 0 {
		t.Errorf("nothing differs, but %v and %v", remove, insert)
	}
}
