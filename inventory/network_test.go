package inventory_test

import (
	"errors"
	"net/netip"
	"testing"

	"lodge/inventory"
)

func TestParseAddressRange(t *testing.T) {
	for text, want := range map[string]string{
		"10.86.0.7":            "10.86.0.7",
		"10.86.0.7-10.86.0.9":  "10.86.0.7-10.86.0.9",
		"10.86.0.7-10.86.0.7":  "10.86.0.7",
		"10.86.0.70/28":        "10.86.0.64-10.86.0.79",
		"10.86.0.0/16":         "10.86.0.0-10.86.255.255",
		"10.86.0.9/32":         "10.86.0.9",
		"0.0.0.0/0":            "0.0.0.0-255.255.255.255",
		"":                     "",
		"10.86.0.9-10.86.0.7":  "",
		"10.86.0.7-":           "",
		"10.86.0.7 - 10.86.0.": "",
		"fd00::1":              "",
		"fd00::/64":            "",
		"10.86.0.7/33":         "",
		"web1":                 "",
	} {
		got, err := inventory.ParseAddressRange(text)
		if want == "" {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("%q: %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
		if again, err := inventory.ParseAddressRange(got.String()); again != got || err != nil {
			t.Errorf("%q is written %s and read as %v, %v", text, got, again, err)
		}
	}
}

func TestReservationBars(t *testing.T) {
	span, _ := inventory.ParseAddressRange("10.0.0.4-10.0.0.6")
	mine, other := inventory.Ref{Project: "default", Name: "mine"}, inventory.Ref{Project: "shop", Name: "mine"}
	for _, c := range []struct {
		whose, who inventory.Ref
		ip         string
		bars       bool
	}{
		{inventory.Ref{}, mine, "10.0.0.4", true},
		{inventory.Ref{}, mine, "10.0.0.6", true},
		{inventory.Ref{}, mine, "10.0.0.7", false},
		{inventory.Ref{}, mine, "10.0.0.3", false},
		{mine, mine, "10.0.0.5", false},
		{mine, other, "10.0.0.5", true},
	} {
		r := inventory.AddressReservation{Range: span, For: c.whose}
		if got := r.Bars(netip.MustParseAddr(c.ip), c.who); got != c.bars {
			t.Errorf("for %v, %v asks for %s: %v", c.whose, c.who, c.ip, got)
		}
	}
}

func TestNetworkArgs(t *testing.T) {
	for name, c := range map[string]struct {
		args inventory.NetworkArgs
		ipv6 bool // a ULA is to be made up
		ok   bool
	}{
		"nothing said":             {inventory.NetworkArgs{Name: "lab"}, true, true},
		"a subnet":                 {inventory.NetworkArgs{Name: "lab", IPv4: "10.99.0.1/24"}, true, true},
		"without IPv6":             {inventory.NetworkArgs{Name: "lab", IPv6: "none"}, false, true},
		"an IPv6 of its own":       {inventory.NetworkArgs{Name: "lab", IPv6: "fd00:1:2:3::1/64"}, false, true},
		"a bridge of the host":     {inventory.NetworkArgs{Name: "lab", Type: "bridge", Parent: "br0", IPv4: "192.168.1.1/24"}, false, true},
		"beside the host":          {inventory.NetworkArgs{Name: "lab", Type: "macvlan", Parent: "eth0", IPv4: "192.168.1.1/24"}, false, true},
		"no name":                  {inventory.NetworkArgs{}, false, false},
		"a bad name":               {inventory.NetworkArgs{Name: "Lab!"}, false, false},
		"the network's address":    {inventory.NetworkArgs{Name: "lab", IPv4: "10.99.0.0/24"}, false, false},
		"no length":                {inventory.NetworkArgs{Name: "lab", IPv4: "10.99.0.1"}, false, false},
		"IPv6 for IPv4":            {inventory.NetworkArgs{Name: "lab", IPv4: "fd00::1/64"}, false, false},
		"a type nobody knows":      {inventory.NetworkArgs{Name: "lab", Type: "ipvlan"}, false, false},
		"a bridge without its IP":  {inventory.NetworkArgs{Name: "lab", Type: "bridge", Parent: "br0"}, false, false},
		"a bridge nobody names":    {inventory.NetworkArgs{Name: "lab", Type: "bridge", IPv4: "192.168.1.1/24"}, false, false},
		"a path for an interface":  {inventory.NetworkArgs{Name: "lab", Type: "macvlan", Parent: "../eth0", IPv4: "192.168.1.1/24"}, false, false},
		"a parent of our bridge":   {inventory.NetworkArgs{Name: "lab", Parent: "br0"}, false, false},
		"NAT on somebody's bridge": {inventory.NetworkArgs{Name: "lab", Type: "bridge", Parent: "br0", IPv4: "192.168.1.1/24", NoNAT: true}, false, false},
	} {
		n, ipv6, err := c.args.Network()
		if c.ok != (err == nil) || err != nil && !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && (ipv6 != c.ipv6 || n.NAT != n.IsManaged()) {
			t.Errorf("%s: %+v, a ULA %v", name, n, ipv6)
		}
	}
}
