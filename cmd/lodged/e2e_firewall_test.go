package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

func (l *lab) ruling(action, from, to, ports string) mutation {
	args := inventory.FirewallArgs{From: from, To: to, Ports: ports}
	return func(ctx context.Context) (client.Answer, error) {
		if action == "deny" {
			return l.api.DenyFirewall(ctx, args, client.Options{})
		}
		return l.api.AllowFirewall(ctx, args, client.Options{})
	}
}

func (l *lab) forwarding(listen, target string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddForward(ctx, inventory.ForwardArgs{Listen: listen, Target: target}, client.Options{})
	}
}

// firewallFixtures are the crash fixtures of rules and forwards.
var firewallFixtures = map[string]func(l *lab, name string) crashFixture{
	"firewall.allow": func(l *lab, name string) crashFixture {
		return crashFixture{l.ruling("allow", "label:x="+name, "project:default", "tcp/1"), has("rule allow label:x="+name+" project:default tcp/1", "fw-")}
	},
	"firewall.deny": func(l *lab, name string) crashFixture {
		return crashFixture{l.ruling("deny", "label:x="+name, "any", "udp/5-6"), has("rule deny label:x="+name+" any udp/5-6", "fw-")}
	},
	"firewall.remove": func(l *lab, name string) crashFixture {
		l.do(l.ruling("allow", "label:x="+name, "any", "icmp"))
		key := "rule allow label:x=" + name + " any icmp"
		id := l.world()[key]
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RemoveFirewallRule(ctx, id, client.Options{})
		}, lacks(key)}
	},
	"forward.add": func(l *lab, name string) crashFixture {
		l.stopped(name)
		listen := listenFor(name)
		return crashFixture{l.forwarding(listen, name+":80"), has("forward tcp/"+listen, ":80")}
	},
	"forward.remove": func(l *lab, name string) crashFixture {
		l.stopped(name)
		listen := listenFor(name)
		l.do(l.forwarding(listen, name+":80"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			f, err := inventory.ParseListen(listen)
			if err != nil {
				return client.Answer{}, err
			}
			return l.api.RemoveForward(ctx, f.ID, client.Options{})
		}, lacks("forward tcp/" + listen)}
	},
}

// listenFor is a port of the host for each container of the crash tests, whose names end with a number.
func listenFor(name string) string {
	n, _ := strconv.Atoi(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-"))
	return fmt.Sprintf("192.0.2.9:%d", 7000+n)
}

func init() {
	for verb, fixture := range firewallFixtures {
		crashFixtures[verb] = fixture
	}
}

// addFirewall shows rules and forwards.
func (l *lab) addFirewall(w world) {
	ctx := context.Background()
	rules, err := l.api.FirewallRules(ctx)
	l.must(err)
	for _, r := range rules {
		w[strings.Join([]string{"rule", string(r.Action), r.From, r.To, r.Ports}, " ")] = r.ID
	}
	forwards, err := l.api.Forwards(ctx)
	l.must(err)
	for _, f := range forwards {
		w["forward "+f.Listen] = f.Target
	}
}

// TestFirewall: projects are apart until a rule of labels opens one port between them; that outlives the
// agent, follows labels and names, is said by lodge firewall test, and ends when its time is over.
func TestFirewall(t *testing.T) {
	l := newLab(t)
	l.project("lt-shop", nil)
	l.launch("lt-web")
	args := tiny("lt-db")
	args.Project = "lt-shop"
	l.do(l.create(args, true))
	web, db := l.container("lt-web"), l.container("lt-shop/lt-db")
	to := db.NICs[0].IPv4
	l.open("lt-shop/lt-db", "nc", "-ll", "-p", "5432", "-e", "echo", "hello")
	l.open("lt-shop/lt-db", "nc", "-ll", "-p", "5433", "-e", "echo", "hello")
	reaches := func(port string) bool {
		out, _ := l.exec("lt-web", "nc", "-w", "1", to, port)
		return strings.Contains(out, "hello")
	}
	says := func(port string, want int) string {
		t.Helper()
		out, code := l.lodge("firewall", "test", "lt-web", "lt-shop/lt-db", "tcp/"+port)
		if code != want {
			t.Errorf("firewall test exits %d: %s", code, out)
		}
		return out
	}
	says("5432", 4)
	if reaches("5432") {
		t.Error("projects are not apart")
	}
	l.await("the log names who was refused", func() bool {
		out, _ := l.lodge("firewall", "log")
		return strings.Contains(out, "lt-web") && strings.Contains(out, "lt-shop/lt-db") && strings.Contains(out, "tcp/5432")
	})
	l.do(l.updating("lt-web", inventory.UpdateArgs{Labels: map[string]string{"role": "web"}}))
	l.do(l.ruling("allow", "label:role=web", "lt-shop/lt-db", "tcp/5432"))
	l.await("the rule opens its port", func() bool { return reaches("5432") })
	if out := says("5432", 0); !strings.Contains(out, "fw-") {
		t.Errorf("the rule is not named: %s", out)
	}
	if reaches("5433") {
		t.Error("the rule opens another port too")
	}
	l.logsWhatItAllows(func() { reaches("5432") })
	table := l.followsWithin(web.NICs[0].IPv4)
	l.kill()
	if !reachesWithout(web.Observed.InitPID, to) {
		t.Error("the rule does not outlive the agent")
	}
	l.start()
	l.do(l.updating("lt-web", inventory.UpdateArgs{Labels: map[string]string{"role": "other"}}))
	l.await("the rule follows the label", func() bool { return !reaches("5432") })
	says("5432", 4)
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.AllowFirewall(ctx, inventory.FirewallArgs{From: "any", To: "project:lt-shop", Ports: "tcp/5432", For: "3s"}, client.Options{})
	})
	l.await("a rule for a while", func() bool { return reaches("5432") })
	l.await("its end", func() bool { return !reaches("5432") })
	l.await("that it is gone", func() bool { out, _ := l.lodge("firewall", "list"); return !strings.Contains(out, "any") })
	for _, args := range [][]string{{"flush", "table", "inet", table}, {"flush", "chain", "netdev", "lodge_" + bridgeOf(web.NICs[0].IPv4), hostInterface(web.ID)}} {
		if out, err := exec.Command("nft", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", args, out)
		}
	}
	l.await("the flushed rules are back", func() bool {
		return strings.Contains(guardOf(t, hostInterface(web.ID)), "drop") && !reaches("5433")
	})
	l.purgeAll("")
	l.checkClean()
}

// bridgeOf is the bridge whose subnet an address is in.
func bridgeOf(address string) string {
	all, _ := net.Interfaces()
	for _, link := range all {
		addresses, _ := link.Addrs()
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.Contains(net.ParseIP(address)) {
				return link.Name
			}
		}
	}
	return ""
}

// reachesWithout connects from within a container's network without the agent.
func reachesWithout(pid int, to string) bool {
	out, _ := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", "busybox", "nc", "-w", "1", to, "5432").CombinedOutput()
	return strings.Contains(string(out), "hello")
}

// logsWhatItAllows has the rule of TestFirewall tell of what it lets through.
func (l *lab) logsWhatItAllows(connect func()) {
	l.t.Helper()
	if out, code := l.lodge("firewall", "allow", "label:role=web", "lt-shop/lt-db", "tcp/5432", "--log"); code != 0 {
		l.t.Errorf("the rule with --log: %s", out)
	}
	l.await("the log tells what a logged rule lets through", func() bool {
		connect()
		out, _ := l.lodge("firewall", "log")
		return slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool {
			return strings.Contains(line, "allow") && strings.Contains(line, "fw-") && strings.Contains(line, "tcp/5432")
		})
	})
}

// followsWithin changes network.within and looks, as soon as the verb is back, whether the kernel lets what
// comes from an address on to its project. It returns the table of rules.
func (l *lab) followsWithin(address string) (table string) {
	l.t.Helper()
	sum := sha256.Sum256([]byte(l.root))
	table = "lodge_rules_" + hex.EncodeToString(sum[:4])
	for _, within := range []bool{false, true} { // the verb returns when the rules hold
		if out, code := l.lodge("project", "set", "default", fmt.Sprintf("network.within=%v", within), "--yes"); code != 0 {
			l.t.Errorf("network.within: %s", out)
		}
		home, err := exec.Command("nft", "list", "map", "inet", table, "home4").CombinedOutput()
		if err != nil || strings.Contains(string(home), address+" ") != within {
			l.t.Errorf("network.within is %v, and the kernel has\n%s", within, home)
		}
	}
	return table
}
