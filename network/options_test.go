package network_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
)

func TestReadOptions(t *testing.T) {
	table := inventory.NewSettings(network.Settings())
	for _, c := range []struct {
		values map[string]string
		want   network.Options
		err    error
	}{
		{nil, network.Options{NAT: true}, nil},
		{map[string]string{"network.nat": "false", "network.host.access": "true"}, network.Options{HostAccess: true}, nil},
		{map[string]string{"network.ipv4": "10.9.0.1/24"},
			network.Options{NAT: true, IPv4: netip.MustParsePrefix("10.9.0.1/24")}, nil},
		{map[string]string{"dns.upstream": "192.0.2.1, [2001:db8::1]:5353,2001:db8::2"},
			network.Options{NAT: true, Upstream: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"),
				netip.MustParseAddrPort("[2001:db8::1]:5353"), netip.MustParseAddrPort("[2001:db8::2]:53")}}, nil},
		{map[string]string{"dns.host": "hosts"}, network.Options{NAT: true, HostNames: network.HostNamesFile}, nil},
		{map[string]string{"dns.host": "true"}, network.Options{NAT: true, HostNames: network.HostNamesAuto}, nil},
		{map[string]string{"dns.host": "dnsmasq"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"network.ipv4": "10.9.0.0/24"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"network.ipv4": "10.9.0.255/24"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"network.ipv4": "fd4c::1/64"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"network.nat": "maybe"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"dns.upstream": "dns.example.org"}, network.Options{}, inventory.ErrInvalid},
		{map[string]string{"dns.upstream": "192.0.2.1:0"}, network.Options{}, inventory.ErrInvalid},
	} {
		for name := range c.values {
			if _, known := table[name]; !known {
				t.Errorf("%s is no setting", name)
			}
		}
		got, err := network.ReadOptions(c.values)
		if !errors.Is(err, c.err) || c.err == nil && (err != nil || got.NAT != c.want.NAT || got.IPv4 != c.want.IPv4 ||
			got.HostAccess != c.want.HostAccess || !slices.Equal(got.Upstream, c.want.Upstream)) {
			t.Errorf("%v: %+v, %v", c.values, got, err)
		}
	}
}

func TestNameservers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "# nameserver 192.0.2.9\nnameserver 192.0.2.1\n\tnameserver  2001:db8::1 \nnameserver\nnameserver fe80::1%eth0\n" +
		"nameserver 0.0.0.0\nnameserver what\nsearch a b\nnameserver 192.0.2.1\nnameserver 127.0.0.53"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := network.Nameservers(path)
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("127.0.0.53")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := network.Nameservers(path + ".none"); err != nil || got != nil {
		t.Errorf("a missing file: %v, %v", got, err)
	}
}

func TestEntries(t *testing.T) {
	web, gone, bare := testContainer("web", "10.86.7.2"), testContainer("gone", "10.86.7.3"), inventory.Container{Name: "bare"}
	gone.TrashedAt = time.Unix(1, 0)
	shop := testContainer("api", "10.86.7.4")
	shop.Project = "shop"
	got := network.Entries([]inventory.Container{shop, web, gone, bare})
	if len(got) != 2 || got[0].Name != "web" || got[1].Name != "api" || got[1].Project != "shop" || got[0].IPv4 != web.NICs[0].IPv4 {
		t.Errorf("got %+v", got)
	}
}
