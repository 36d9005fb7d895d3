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

const primaryConf = `include "KEY";
options { directory "DIR"; pid-file none; session-keyfile "DIR/session.key"; listen-on { 10.86.7.9; };
  listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; };
controls { };
zone "lodge.internal" { type primary; file "DIR/zone"; allow-transfer { key lodge-transfer; }; allow-update { key lodge-transfer; }; };
zone "7.86.10.in-addr.arpa" { type primary; file "DIR/reverse"; allow-transfer { key lodge-transfer; }; allow-update { key lodge-transfer; }; };
`

const primaryZone = "$TTL 60\n@ SOA ns.example.org. root.example.org. 1 3600 600 86400 60\n@ NS ns.example.org.\n"

// A BIND elsewhere is primary for our zones and is given the names by dynamic update: what changes, what it
// missed while it was away, and nothing that is not ours any more.
func TestPush(t *testing.T) {
	requireRoot(t, "/usr/sbin/named", "dig")
	s, n := setup(t)
	primary, other := newGuest(t, n, 9), newGuest(t, n, 8)
	ctx := context.Background()
	letMeet(t, s, "10.86.7.8", "10.86.7.9")
	web := testContainer("web1", "10.86.7.2")
	web.Owner = "anna"
	publish := func() {
		t.Helper()
		if err := s.Publish(ctx, []inventory.Container{web}); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	if err := s.Configure(ctx, network.Options{Push: []netip.AddrPort{netip.MustParseAddrPort("10.86.7.9:53")}}); err != nil {
		t.Fatal(err)
	}
	dir := bindFolder(t, primaryConf, filepath.Join(rootOf(s), "keys/transfer.key"), map[string]string{
		"zone": primaryZone + "stale A 192.0.2.66\nwww A 192.0.2.66\n", "reverse": primaryZone})
	stop := startNamed(t, primary, dir)
	has := func(what string, wanted map[string]string) {
		t.Helper()
		for question, want := range wanted {
			waitFor(t, what+": "+question+" is "+want, func() bool { return other.dig(strings.Fields(question)...) == want })
		}
	}
	has("at first", map[string]string{"web1.lodge.internal A": "10.86.7.2", "-x 10.86.7.2": "web1.lodge.internal.",
		"web1.default.lodge.internal AAAA": "fd4c:86:7::2", "web1.lodge.internal TXT": `"owner=anna"`,
		"stale.lodge.internal A": "", "lodge.internal NS": "ns.example.org."})
	if err := s.PublishRecords(ctx, []names.Record{{Name: "www", Type: "CNAME", Data: "web1"}}); err != nil {
		t.Fatal(err)
	}
	has("an alias in the place of an address", map[string]string{"www.lodge.internal CNAME": "web1.lodge.internal."})
	stop()
	web.Name = "web2"
	publish()
	startNamed(t, primary, dir)
	has("after it was away", map[string]string{"web2.lodge.internal A": "10.86.7.2", "web1.lodge.internal A": "",
		"-x 10.86.7.2": "web2.lodge.internal."})
}
