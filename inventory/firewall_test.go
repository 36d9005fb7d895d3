package inventory_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

func rule(t *testing.T, action, from, to, ports string) inventory.FirewallRule {
	t.Helper()
	r, err := inventory.FirewallArgs{From: from, To: to, Ports: ports}.Rule(inventory.FirewallAction(action),
		func(name string) (inventory.ContainerID, error) { return inventory.ContainerID("id-" + name), nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a rule says is read back as it was written, and the same words have the same id.
func TestFirewallRuleText(t *testing.T) {
	for _, c := range []struct{ from, to, ports, want string }{
		{"web1", "label:role=db", "tcp/5432", "allow container:id-web1 label:role=db tcp/5432"},
		{"shop/web1", "host", "udp/53,70-80,67-69", "allow container:id-shop/web1 host udp/53,67-80"},
		{"192.0.2.9/24", "project:shop", "any", "allow 192.0.2.0/24 project:shop any"},
		{"::ffff:192.0.2.1", "any", "icmp", "allow 192.0.2.1 any icmp"},
		{"2001:db8::/64", "fd00::1", "tcp", "allow 2001:db8::/64 fd00::1 tcp"},
	} {
		r := rule(t, "allow", c.from, c.to, c.ports)
		if r.String() != c.want {
			t.Errorf("%v is %q", c, r)
		}
		if again := rule(t, "allow", c.from, c.to, c.ports); again.ID != r.ID || r.ID == "" {
			t.Errorf("%v has the ids %q and %q", c, r.ID, again.ID)
		}
	}
}

func TestFirewallRuleRefused(t *testing.T) {
	for _, c := range []inventory.FirewallArgs{
		{From: "", To: "web1"}, {From: "label:role", To: "web1"}, {From: "label:=x", To: "web1"}, {From: "host", To: "host"},
		{From: "web1", To: "project:"}, {From: "web1", To: "wat:x"}, {From: "web1", To: "10.0.0.0/33"},
		{From: "web1", To: "db1", Ports: "tcp/"}, {From: "web1", To: "db1", Ports: "tcp/0"}, {From: "web1", To: "db1", Ports: "tcp/9-8"},
		{From: "web1", To: "db1", Ports: "tcp/65536"}, {From: "web1", To: "db1", Ports: "icmp/8"}, {From: "web1", To: "db1", Ports: "gre"},
		{From: "10.0.0.1", To: "fd00::1"}, {From: "label:a=b\nc", To: "web1"},
	} {
		r, err := c.Rule(inventory.FirewallAllow, func(string) (inventory.ContainerID, error) { return "id", nil })
		if !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%+v is %q, %v", c, r, err)
		}
	}
}

func TestJudge(t *testing.T) {
	end := func(id, project string, address string, labels map[string]string) inventory.End {
		a := netip.MustParseAddr(address)
		return inventory.End{Address: a, Container: &inventory.Container{ID: inventory.ContainerID("id-" + id), Project: project,
			Labels: labels, NICs: []inventory.NIC{{Network: "n", IPv4: a}}}}
	}
	web := end("web", "a", "10.0.0.2", map[string]string{"role": "web"})
	db := end("db", "b", "10.0.0.3", map[string]string{"role": "db"})
	cache := end("cache", "b", "10.0.0.4", nil)
	host, world := inventory.End{Host: true}, inventory.End{Address: netip.MustParseAddr("192.0.2.1")}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	past := rule(t, "allow", "web", "any", "any")
	past.Expires = now
	f := inventory.Firewall{Now: now, Within: func(p string) bool { return p == "b" }, Routed: func(string) bool { return false },
		Rules: []inventory.FirewallRule{rule(t, "allow", "label:role=web", "label:role=db", "tcp/5432"),
			rule(t, "deny", "any", "192.0.2.0/24", "tcp/25"), rule(t, "deny", "db", "cache", "udp"), past}}
	for _, c := range []struct {
		from, to inventory.End
		protocol inventory.Protocol
		port     uint16
		want     bool
	}{
		{web, db, "tcp", 5432, true}, {web, db, "tcp", 5433, false}, {web, db, "udp", 5432, false}, {db, web, "tcp", 5432, false},
		{db, cache, "tcp", 1, true}, {cache, db, "tcp", 1, true}, {db, cache, "udp", 1, false}, {web, cache, "tcp", 1, false},
		{web, world, "tcp", 25, false}, {web, world, "tcp", 80, true}, {world, web, "tcp", 80, false}, {host, web, "tcp", 1, true},
		{web, host, "tcp", 22, false}, {web, host, "udp", 53, true}, {web, host, "icmp", 0, true}, {world, db, "tcp", 5432, false},
	} {
		v := f.Judge(inventory.Flow{From: c.from, To: c.to, Protocol: c.protocol, Port: c.port})
		if v.Allowed != c.want || v.Why == "" {
			t.Errorf("%s to %s %s/%d: %v", c.from.Address, c.to.Address, c.protocol, c.port, v)
		}
	}
}

func TestForwardText(t *testing.T) {
	for _, c := range []struct{ listen, target, want string }{
		{":8443", "web1:443", "tcp/:8443 web1:443"}, {"udp/192.0.2.1:53", "a/b:53", "udp/192.0.2.1:53 a/b:53"},
		{"tcp/[2001:db8::1]:80-81", "x:8080-8081", "tcp/[2001:db8::1]:80-81 x:8080-8081"},
		{"8443", "x:1", ""}, {":0", "x:1", ""}, {"sctp/:1", "x:1", ""}, {":1-2", "x:1", ""}, {":1", "x", ""}, {"300.0.0.1:1", "x:1", ""},
	} {
		f, err := inventory.ParseListen(c.listen)
		name := ""
		if err == nil {
			name, err = f.ParseTarget(c.target)
		}
		if got := f.Listen() + " " + f.Target(name); (err == nil) != (c.want != "") || err == nil && got != c.want {
			t.Errorf("%s %s is %q, %v", c.listen, c.target, got, err)
		}
		if err != nil && !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", c.listen, err)
		}
	}
}

func TestForwardsOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{":80", ":80", true}, {":80", "udp/:80", false}, {":80-90", ":90-99", true}, {"192.0.2.1:80", "192.0.2.2:80", false},
		{":80", "192.0.2.2:80", true}, {":80", ":81", false}} {
		f, _ := inventory.ParseListen(c.a)
		g, _ := inventory.ParseListen(c.b)
		if f.Overlaps(g) != c.want || g.Overlaps(f) != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, !c.want)
		}
	}
}

func TestJudgeNamesTheSetting(t *testing.T) {
	end := inventory.End{Container: &inventory.Container{ID: "id-a", Project: "shop"}}
	for _, set := range []bool{true, false} {
		f := inventory.Firewall{Within: func(string) bool { return set }, HostAccess: set}
		for to, want := range map[*inventory.End]string{
			{Container: &inventory.Container{ID: "id-b", Project: "shop"}}: fmt.Sprintf("network.within is %v for project shop", set),
			{Host: true}: fmt.Sprintf("network.host.access is %v for the host", set),
		} {
			v := f.Judge(inventory.Flow{From: end, To: *to, Protocol: "tcp", Port: 22})
			if v.Allowed != set || v.Why != want {
				t.Errorf("%v: %q, not %q", v.Allowed, v.Why, want)
			}
		}
	}
}

// TestRuleNamed: what people read names containers, while the rule stays one of ids.
func TestRuleNamed(t *testing.T) {
	r := rule(t, "allow", "web", "label:role=db", "tcp/5432")
	got := r.Named(func(id inventory.ContainerID) string { return "shop/" + strings.TrimPrefix(string(id), "id-") })
	if want := "allow container:shop/web label:role=db tcp/5432"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if r.From.Value != "id-web" {
		t.Errorf("the rule itself is about %q now", r.From.Value)
	}
}
