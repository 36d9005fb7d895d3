package network_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
)

// What others do to bridges, interfaces and rules is noticed by the next look and undone; containers are
// as apart as before, and as reachable. A look that finds nothing changes nothing.
// A damage is what somebody does to the network, and what the repair says it mended.
type damage struct{ command, says string }

func damages(bridge, veth, judge string) []damage {
	return []damage{
		{"nft flush ruleset", "table"},
		{"nft delete table netdev lodge_" + bridge, "interface " + veth},
		{"nft flush chain netdev lodge_" + bridge + " " + veth, "interface " + veth},
		{"nft flush chain inet lodge_" + bridge + " filter-input", "table lodge_" + bridge},
		{"nft insert rule inet " + judge + " forward accept", "table " + judge},
		{"ip addr del 10.86.7.1/24 dev " + bridge, "bridge"},
		{"ip addr add 10.99.0.1/24 dev " + bridge, "bridge"},
		{"ip link set " + bridge + " down", "bridge"},
		{"ip link set " + bridge + " type bridge nf_call_iptables 0", "bridge"},
		{"ip link set " + veth + " nomaster", "interface " + veth},
		{"ip link del " + bridge, "bridge"},
	}
}

func TestRepair(t *testing.T) {
	s, n := setup(t)
	web, webC := guarded(t, s, n, 2)
	_, dbC := guarded(t, s, n, 3)
	dbC.Project = "shop"
	estateOf(rootOf(s)).Containers = []*inventory.Container{webC, dbC}
	if err := s.ApplyRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func(when string) []string {
		t.Helper()
		repaired, err := s.Repair(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		return repaired
	}
	look("at first")
	if again := look("again"); len(again) > 0 {
		t.Fatalf("nobody did anything, and it repaired %q", again)
	}
	veth := webC.HostInterface(0)
	rules := func() string { // in any order: nft lists the tables as they were made
		lines := strings.Split(command(t, "nft", "-s", "-t", "list", "ruleset"), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	judge := judgeTable(command(t, "nft", "list", "tables"))
	before := rules()
	for _, test := range damages(n.Bridge, veth, judge) {
		command(t, strings.Fields(test.command)...)
		if repaired := look(test.command); !slices.ContainsFunc(repaired, func(what string) bool { return strings.Contains(what, test.says) }) {
			t.Errorf("after %q it repaired %q", test.command, repaired)
		}
		if again := look("then"); len(again) > 0 {
			t.Errorf("after %q it repairs for ever: %q", test.command, again)
		}
		if after := rules(); after != before {
			t.Errorf("after %q the rules are\n%s\nand were\n%s", test.command, after, before)
		}
		if _, err := try(web.in("ping", "-c1", "-W2", "10.86.7.1")...); err != nil {
			t.Errorf("after %q the container doesn't reach its gateway", test.command)
		}
	}
	command(t, "ip", "link", "del", veth)
	web = plugged(t, n, webC)
	command(t, "ip", "link", "set", veth, "nomaster")
	if repaired := look("a container that starts"); len(repaired) > 0 {
		t.Errorf("an interface that may be attached at this moment is repaired: %q", repaired)
	}
	if repaired := look("then"); len(repaired) != 1 {
		t.Errorf("an interface that is not attached is left: %q", repaired)
	}
	look("and then")
	foreign := []string{"add table inet theirs", "add chain inet theirs c"}
	command(t, "nft", strings.Join(foreign, "; "))
	if repaired := look("others' rules"); len(repaired) > 0 {
		t.Errorf("others' rules made it repair %q", repaired)
	}
	if !strings.Contains(rules(), "theirs") {
		t.Error("others' rules are gone")
	}
	command(t, "nft", "delete table inet theirs")
	if !s.WouldLook() {
		t.Error("it would not look at what others wrote")
	}
	look("at last")
	e := estateOf(rootOf(s))
	e.Rules = []inventory.FirewallRule{parseRule(t, "allow any project:shop tcp/80")}
	if err := errors.Join(s.ApplyRules(t.Context()), s.Guard(t.Context(), map[string]inventory.Network{n.Name: n}, webC)); err != nil {
		t.Fatal(err)
	}
	if s.WouldLook() {
		t.Error("it would look at what it wrote itself")
	}
}

// judgeTable is the name of the table of rules between containers.
func judgeTable(tables string) string {
	_, rest, _ := strings.Cut(tables, "table inet lodge_rules_")
	name, _, _ := strings.Cut(rest, "\n")
	return "lodge_rules_" + name
}

// With IPv6 disabled on the host networks have IPv4 alone, and nobody is told of IPv6 addresses; once it is
// enabled, the next look gives them.
func TestWithoutIPv6(t *testing.T) {
	s, n := setup(t)
	disable := func(value string) {
		t.Helper()
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { disable("0") })
	disable("1")
	command(t, "ip", "link", "del", n.Bridge)
	look := func() []string {
		t.Helper()
		repaired, err := s.Repair(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return repaired
	}
	look() // makes the bridge anew
	err := errors.Join(s.Ensure(t.Context(), n), s.Publish(t.Context(), []inventory.Container{testContainer("web", "10.86.7.2")}))
	if err != nil {
		t.Fatal(err)
	}
	if again := look(); len(again) > 0 {
		t.Errorf("it repairs what can't be: %q", again)
	}
	addresses := func() string { return command(t, "ip", "-br", "addr", "show", n.Bridge) }
	if out := addresses(); strings.Contains(out, ":7::") || !strings.Contains(out, "10.86.7.1/24") {
		t.Errorf("the bridge has %s", out)
	}
	dig := func(kind string) string {
		return command(t, "dig", "+short", "@10.86.7.1", "web."+inventory.Domain, kind)
	}
	if v4, v6 := dig("A"), dig("AAAA"); v4 != "10.86.7.2" || v6 != "" {
		t.Errorf("names are answered with %q and %q", v4, v6)
	}
	disable("0")
	if repaired := look(); len(repaired) == 0 || !strings.Contains(addresses(), "fd4c:86:7::1/64") {
		t.Errorf("once enabled it repairs %q, and the bridge has %s", repaired, addresses())
	}
}

// Without nft nothing starts and what is wrong is said; once it is there, all is made right.
func TestWithoutNFT(t *testing.T) {
	s, n := setup(t)
	_, c := guarded(t, s, n, 2)
	estateOf(rootOf(s)).Containers = []*inventory.Container{c}
	networks := map[string]inventory.Network{n.Name: n}
	path := os.Getenv("PATH")
	useless := t.TempDir() // one that the kernel refuses
	const refusal = "netlink: Error: cache initialization failed: Operation not permitted"
	if err := os.WriteFile(useless+"/nft", []byte("#!/bin/sh\necho '"+refusal+"' >&2\necho more >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	again := newService(rootOf(s), "1")
	for dir, says := range map[string]string{"/nonexistent": "install nftables", useless: refusal} {
		t.Setenv("PATH", dir)
		for what, err := range map[string]error{"Ensure": again.Ensure(t.Context(), n), "Guard": again.Guard(t.Context(), networks, c)} {
			if !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s with %s: %v", what, dir, err)
			}
		}
	}
	t.Setenv("PATH", path)
	command(t, "nft", "flush", "ruleset")
	repaired, err := again.Repair(t.Context())
	if err != nil || len(repaired) < 2 {
		t.Errorf("it repaired %q, %v", repaired, err)
	}
	if repaired, err = again.Repair(t.Context()); err != nil || len(repaired) > 0 {
		t.Errorf("then it repaired %q, %v", repaired, err)
	}
	out := command(t, "nft", "list", "ruleset")
	for _, table := range []string{"table inet lodge_" + n.Bridge, "table inet lodge_rules_", "chain " + c.HostInterface(0)} {
		if !strings.Contains(out, table) {
			t.Errorf("%s is missing", table)
		}
	}
}
