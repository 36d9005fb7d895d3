package network_test

import (
	"net/netip"
	"slices"
	"testing"

	"lodge/inventory"
	"lodge/network"
)

// What is dropped is told, with the rule that did it; a flood is told of in part.
func TestDropsAreTold(t *testing.T) {
	s, n := setup(t)
	web, webC := guarded(t, s, n, 2)
	_, dbC := guarded(t, s, n, 3)
	dbC.Project = "shop"
	e := estateOf(rootOf(s))
	e.Containers = []*inventory.Container{webC, dbC}
	denial := parseRule(t, "deny "+string(webC.ID)+" any tcp/25")
	permission := parseRule(t, "allow "+string(webC.ID)+" any tcp/26")
	denial.Log, permission.Log = true, true
	e.Rules = []inventory.FirewallRule{denial, permission, parseRule(t, "deny "+string(webC.ID)+" any tcp/27")}
	if err := s.ApplyRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	go s.FollowDrops(t.Context())
	from, to := webC.NICs[0], dbC.NICs[0]
	for _, want := range []network.Drop{
		{Rule: "default", From: from.IPv4, To: to.IPv4, Protocol: inventory.TCP, Port: 80},
		{Rule: "default", From: from.IPv6, To: to.IPv6, Protocol: inventory.TCP, Port: 81},
		{Rule: denial.ID, From: from.IPv4, To: to.IPv4, Protocol: inventory.TCP, Port: 25},
		{Rule: permission.ID, Allowed: true, From: from.IPv4, To: to.IPv4, Protocol: inventory.TCP, Port: 26},
		{Rule: "host", From: from.IPv4, To: n.IPv4.Addr(), Protocol: inventory.TCP, Port: 22},
	} {
		waitFor(t, "a drop by "+want.Rule, func() bool {
			web.connect(netip.AddrPortFrom(want.To, want.Port).String())
			return slices.ContainsFunc(s.Drops(), func(d network.Drop) bool {
				d.At = want.At
				return d == want
			})
		})
	}
	web.connect(netip.AddrPortFrom(to.IPv4, 27).String())
	web.run("bash", "-c", "echo x > /dev/udp/224.0.0.251/5353; echo x > /dev/udp/ff02::fb%eth0/5353 || true")
	web.run("bash", "-c", "for i in {1..200}; do echo x > /dev/udp/"+to.IPv4.String()+"/9; done")
	flood := 0
	for _, d := range s.Drops() {
		if d.Port == 9 {
			flood++
		}
	}
	if flood == 200 {
		t.Error("a flood is told of whole")
	}
	if slices.ContainsFunc(s.Drops(), func(d network.Drop) bool { return d.To.IsMulticast() }) {
		t.Error("what hosts say to their link is told of")
	}
	if slices.ContainsFunc(s.Drops(), func(d network.Drop) bool { return d.Port == 27 }) {
		t.Error("a rule tells of what it drops though nobody asked it to")
	}
	if err := s.Configure(t.Context(), network.Options{Silent: true}); err != nil {
		t.Fatal(err)
	}
	told := func(port uint16) func() bool {
		return func() bool {
			web.connect(netip.AddrPortFrom(to.IPv6, port).String())
			return slices.ContainsFunc(s.Drops(), func(d network.Drop) bool { return d.Port == port && d.To == to.IPv6 })
		}
	}
	told(82)()
	waitFor(t, "what a rule tells of still", told(26))
	if told(82)() {
		t.Error("network.log is off, and what no rule lets through is told of")
	}
}

func FuzzParseDrops(f *testing.F) {
	f.Add([]byte{32, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 8, 0, 10, 0, 'a', 'b', 'c', 0, 4, 0, 9, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, d := range network.ParseDrops(raw) {
			if !d.From.IsValid() || !d.To.IsValid() {
				t.Errorf("%v has no ends", d)
			}
		}
	})
}
