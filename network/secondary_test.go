package network_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network"
	"lodge/network/names"
)

const secondaryConf = `include "KEY";
options { directory "DIR"; pid-file none; session-keyfile "DIR/session.key"; listen-on { 10.86.7.9; };
  listen-on-v6 { none; }; recursion no; dnssec-validation no; };
controls { };
zone "lodge.internal" { type secondary; file "DIR/zone"; primaries { 10.86.7.1 key lodge-transfer; }; };
zone "7.86.10.in-addr.arpa" { type secondary; file "DIR/reverse"; primaries { 10.86.7.1 key lodge-transfer; }; };
`

// A BIND beside us holds the zones, and follows a change it is told of.
func TestSecondary(t *testing.T) {
	requireRoot(t, "/usr/sbin/named", "dig")
	s, n := setup(t)
	second, other := newGuest(t, n, 9), newGuest(t, n, 8)
	ctx := context.Background()
	letMeet(t, s, "10.86.7.8", "10.86.7.9")
	web := testContainer("web1", "10.86.7.2")
	web.Owner, web.Labels = "anna", map[string]string{"service.http": "8080"}
	options := network.Options{Secondaries: []netip.AddrPort{netip.MustParseAddrPort("10.86.7.9:53")}}
	if err := s.Configure(ctx, options); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, []inventory.Container{web}); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishRecords(ctx, []names.Record{{Name: "www", Type: "CNAME", Data: "web1"}}); err != nil {
		t.Fatal(err)
	}
	fingerprint := "4 2 " + strings.Repeat("AB", 32)
	if err := s.PublishHostKeys(ctx, map[netip.Addr][]string{web.NICs[0].IPv4: {fingerprint}}); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(rootOf(s), "keys/transfer.key")
	startNamed(t, second, bindFolder(t, secondaryConf, key, nil))
	waitFor(t, "the zone in BIND", func() bool { return other.dig("web1.lodge.internal") == "10.86.7.2" })
	waitFor(t, "the reverse zone in BIND", func() bool { return other.dig("-x", "10.86.7.2") == "web1.lodge.internal." })
	for question, want := range map[string]string{
		"_http._tcp.lodge.internal SRV":     "0 0 8080 web1.lodge.internal.",
		"http.svc.default.lodge.internal A": "10.86.7.2",
		"web1.lodge.internal SSHFP":         "4 2 " + strings.Repeat("AB", 28) + " " + strings.Repeat("AB", 4),
		"web1.lodge.internal TXT":           `"owner=anna"`,
		"web1.default.lodge.internal AAAA":  "fd4c:86:7::2",
		"www.lodge.internal A":              "web1.lodge.internal.\n10.86.7.2",
	} {
		if got := other.dig(strings.Fields(question)...); got != want {
			t.Errorf("BIND says of %s %q, want %q", question, got, want)
		}
	}
	web.Name = "web2"
	if err := s.Publish(ctx, []inventory.Container{web}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the change in BIND", func() bool {
		return other.dig("web2.lodge.internal") == "10.86.7.2" && other.dig("web1.lodge.internal") == ""
	})
	for what, args := range map[string][]string{
		"another container with the key": other.in("dig", "+tcp", "-k", key, "@10.86.7.1", "lodge.internal", "AXFR"),
		"the secondary without the key":  second.in("dig", "+tcp", "@10.86.7.1", "lodge.internal", "AXFR"),
		"a zone that is not ours":        second.in("dig", "+tcp", "-k", key, "@10.86.7.1", "example.org", "AXFR"),
	} {
		if out, _ := try(args...); !strings.Contains(out, "Transfer failed") {
			t.Errorf("%s: %s", what, out)
		}
	}
	if out, err := try(second.in("dig", "+tcp", "-k", key, "@10.86.7.1", "lodge.internal", "AXFR")...); err != nil ||
		!strings.Contains(out, "web2.lodge.internal") || strings.Contains(out, "failed") {
		t.Errorf("with the key: %v %s", err, out)
	}
}
