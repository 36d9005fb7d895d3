package network_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
)

func plan(v4, v6 string, excluded ...string) network.Plan {
	p := network.Plan{Network: "lodge0", IPv4: netip.MustParsePrefix(v4)}
	if v6 != "" {
		p.IPv6 = netip.MustParsePrefix(v6)
	}
	for _, x := range excluded {
		span, err := inventory.ParseAddressRange(x)
		if err != nil {
			panic(err)
		}
		p.Excluded = append(p.Excluded, span)
	}
	return p
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name string
		plan network.Plan
		used []string
		want string // "" for none
	}{
		{"first", plan("10.86.0.1/24", ""), nil, "10.86.0.2"},
		{"gap", plan("10.86.0.1/24", ""), []string{"10.86.0.2", "10.86.0.4"}, "10.86.0.3"},
		{"gateway in the middle", plan("10.86.0.2/24", ""), []string{"10.86.0.1"}, "10.86.0.3"},
		{"excluded", plan("10.86.0.1/24", "", "10.86.0.0/28"), nil, "10.86.0.16"},
		{"broadcast is left", plan("10.86.0.1/30", ""), []string{"10.86.0.2"}, ""},
		{"31 has no broadcast", plan("10.86.0.0/31", ""), nil, "10.86.0.1"},
		{"all excluded", plan("10.86.0.1/29", "", "10.86.0.0/24"), nil, ""},
		{"end of the space", plan("255.255.255.253/30", ""), []string{"255.255.255.254"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var used []netip.Addr
			for _, u := range c.used {
				used = append(used, netip.MustParseAddr(u))
			}
			got, err := c.plan.Next(network.UsedSet(used...))
			if c.want == "" {
				if !errors.Is(err, inventory.ErrQuota) {
					t.Errorf("got %v, %v and want ErrQuota", got, err)
				}
			} else if err != nil || got.String() != c.want {
				t.Errorf("got %v, %v and want %s", got, err, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	p := plan("10.86.0.1/24", "", "10.86.0.128/25")
	used := network.UsedSet(netip.MustParseAddr("10.86.0.9"))
	for address, want := range map[string]error{
		"10.86.0.7":        nil,
		"::ffff:10.86.0.7": nil,
		"10.86.0.9":        inventory.ErrExists,
		"10.86.0.0":        inventory.ErrInvalid,
		"10.86.0.1":        inventory.ErrInvalid,
		"10.86.0.200":      inventory.ErrInvalid,
		"10.86.0.255":      inventory.ErrInvalid,
		"10.86.1.7":        inventory.ErrInvalid,
		"fd4c::7":          inventory.ErrInvalid,
	} {
		if err := p.Check(netip.MustParseAddr(address), used); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
	if err := p.Check(netip.Addr{}, used); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("no address: %v", err)
	}
}

// Whatever the network, filling it gives every address out once, none that is reserved, and as many
// different IPv6 addresses, none of them the gateway's.
func TestPlanProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(86, 0))
	for range 200 {
		bits := 22 + rnd.IntN(9)
		base := netip.AddrFrom4([4]byte{10, byte(rnd.IntN(256)), byte(rnd.IntN(256)), byte(rnd.IntN(256))})
		prefix := netip.PrefixFrom(base, bits)
		gateway := prefix.Masked().Addr().Next()
		for range rnd.IntN(1<<(32-bits) - 2) {
			gateway = gateway.Next()
		}
		p := network.Plan{Network: "x", IPv4: netip.PrefixFrom(gateway, bits), IPv6: network.RandomULA()}
		used := map[netip.Addr]bool{}
		v6 := map[netip.Addr]bool{}
		for {
			a, err := p.Next(func(a netip.Addr) bool { return used[a] })
			if err != nil {
				break
			}
			six := p.IPv6For(a)
			if used[a] || a == gateway || !prefix.Contains(a) || a == prefix.Masked().Addr() {
				t.Fatalf("%v gave %v", p.IPv4, a)
			}
			if v6[six] || six == p.IPv6.Addr() || !p.IPv6.Contains(six) {
				t.Fatalf("%v gave %v for %v", p.IPv6, six, a)
			}
			if err := p.Check(a, network.UsedSet()); err != nil {
				t.Fatalf("Next gave %v, which Check refuses: %v", a, err)
			}
			used[a], v6[six] = true, true
		}
		if want := 1<<(32-bits) - 3; len(used) != want || p.Size() != want {
			t.Fatalf("%v has %d addresses, Size says %d, and it should be %d", p.IPv4, len(used), p.Size(), want)
		}
	}
}

func TestMAC(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		id := inventory.ContainerID(inventory.NewID(time.Now()))
		for n := range 2 {
			mac := network.MAC(id, n)
			hw, err := net.ParseMAC(mac)
			if err != nil || hw[0]&1 != 0 || hw[0]&2 == 0 {
				t.Fatalf("%s is not locally administered and unicast: %v", mac, err)
			}
			if seen[mac] || mac != network.MAC(id, n) {
				t.Fatalf("%s is not unique or not stable", mac)
			}
			seen[mac] = true
		}
	}
	// The address is in neighbour caches and rules: it must not change with a new version.
	if got := network.MAC("0193b5a0-0000-7000-8000-000000000001", 0); got != stableExample {
		t.Errorf("the MAC of the example is %s and was %s", got, stableExample)
	}
}

const stableExample = "d6:d2:28:96:ba:49"

func TestNIC(t *testing.T) {
	p := plan("10.86.0.1/24", "fd4c:86::1/64")
	id := inventory.ContainerID(inventory.NewID(time.Now()))
	nic, err := p.NIC(id, 0, netip.Addr{}, network.UsedSet())
	want := inventory.NIC{Network: "lodge0", Name: "eth0", MAC: network.MAC(id, 0),
		IPv4: netip.MustParseAddr("10.86.0.2"), IPv6: netip.MustParseAddr("fd4c:86::2")}
	if err != nil || nic != want {
		t.Errorf("got %+v, %v", nic, err)
	}
	if _, err := p.NIC(id, 0, netip.MustParseAddr("10.86.0.1"), network.UsedSet()); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("the gateway was given: %v", err)
	}
}

func TestFreeIPv4(t *testing.T) {
	for _, c := range []struct {
		name     string
		occupied []string
		want     string
	}{
		{"nothing", nil, "10.86.0.1/24"},
		{"default route forbids nothing", []string{"0.0.0.0/0", "::/0"}, "10.86.0.1/24"},
		{"first taken", []string{"10.86.0.5/32"}, "10.86.1.1/24"},
		{"wider route", []string{"10.86.0.0/22"}, "10.86.4.1/24"},
		{"name server", []string{"10.86.0.53/32", "10.86.1.53/32"}, "10.86.2.1/24"},
		{"VPN takes all of 10", []string{"10.0.0.0/8"}, "172.16.0.1/24"},
		{"10 and 172 are taken", []string{"10.0.0.0/8", "172.16.0.0/12"}, "192.168.0.1/24"},
		{"everything is taken wide", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}, "10.86.0.1/24"},
		{"wide, and one that is narrow", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "10.86.0.0/24"},
			"10.86.1.1/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var occupied []netip.Prefix
			for _, o := range c.occupied {
				occupied = append(occupied, netip.MustParsePrefix(o))
			}
			got, err := network.FreeIPv4(occupied)
			if err != nil || got.String() != c.want {
				t.Errorf("got %v, %v and want %s", got, err, c.want)
			}
		})
	}
}

func TestRandomULA(t *testing.T) {
	a, b := network.RandomULA(), network.RandomULA()
	local := netip.MustParsePrefix("fd00::/8")
	if a == b || a.Bits() != 64 || !local.Contains(a.Addr()) || a.Addr() == a.Masked().Addr() {
		t.Errorf("%v and %v", a, b)
	}
}
