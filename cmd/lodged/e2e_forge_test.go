package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/network"
	"lodge/network/forgetest"
	"lodge/web/wire"
)

// TestForger: a container that takes its neighbour's address or another MAC is heard by nobody; that holds
// for its next interface after a reboot of its own, and while there is no agent.
func TestForger(t *testing.T) {
	l := newLab(t)
	l.launch("lt-forger", "lt-victim")
	forger, victim := l.container("lt-forger"), l.container("lt-victim")
	reaches := func() bool {
		_, code := l.exec("lt-forger", "ping", "-c", "1", "-W", "1", victim.NICs[0].IPv4)
		return code == 0
	}
	forge := func(when string) {
		t.Helper()
		if !reaches() {
			t.Errorf("%s the honest container reaches nobody", when)
		}
		mac := forger.NICs[0].MAC
		l.exec("lt-forger", "ip", "link", "set", "eth0", "address", "02:00:00:00:00:77")
		if reaches() {
			t.Errorf("%s it is heard with a MAC that isn't its own", when)
		}
		l.exec("lt-forger", "ip", "link", "set", "eth0", "address", mac)
		l.exec("lt-forger", "ip", "addr", "add", "10.86.0.1/32", "dev", "eth0")
		l.exec("lt-forger", "ip", "route", "add", victim.NICs[0].IPv4+"/32", "dev", "eth0", "src", "10.86.0.1")
		if reaches() {
			t.Errorf("%s it is heard with an address that isn't its own", when)
		}
		l.exec("lt-forger", "ip", "addr", "del", "10.86.0.1/32", "dev", "eth0")
	}
	forge("at first")
	n, err := net.InterfaceByName(l.network("default").Bridge)
	l.must(err)
	scene := forgetest.Scene{Own: partyOf(forger.NICs[0]), Victim: partyOf(victim.NICs[0]),
		Gateway: forgetest.Party{MAC: n.HardwareAddr.String(), V4: netip.MustParseAddr(l.gateway()), V6: netip.MustParseAddr("fd00::1"),
			LL: network.LinkLocal(n.HardwareAddr.String())}}
	got := l.attack("lt-forger", scene, l.sniff(scene, "eth0", "nsenter", "-n", "-t", fmt.Sprint(victim.Observed.InitPID)),
		l.sniff(scene, n.Name, "env"))
	// The kernel of the container may ask by ARP as well, for the ping before it.
	if want := []string{"honest ARP", "honest ND", "end", "honest ARP", "honest ND", "end"}; !slices.Equal(slices.Compact(got), want) {
		t.Errorf("what the neighbour and the host heard is %q", got)
	}
	l.exec("lt-forger", "reboot")
	l.await("a new init", func() bool {
		now := l.container("lt-forger").Observed.InitPID
		return now != 0 && now != forger.Observed.InitPID
	})
	forge("after a reboot")
	l.kill()
	l.start()
	forge("with the next agent")
	if out := guardOf(t, hostInterface(forger.ID)); !strings.Contains(out, "drop") {
		t.Errorf("its rules are %q", out)
	}
	l.do(power(l.api.Purge, "lt-forger"))
	if out := guardOf(t, hostInterface(forger.ID)); out != "" {
		t.Errorf("the rules of a container that is gone are left: %s", out)
	}
	l.do(power(l.api.Purge, "lt-victim"))
	l.checkClean()
}

func partyOf(n wire.NIC) forgetest.Party {
	return forgetest.Party{MAC: n.MAC, V4: netip.MustParseAddr(n.IPv4), V6: netip.MustParseAddr(n.IPv6), LL: network.LinkLocal(n.MAC)}
}

// sniff listens on an interface; what it returns waits for the end and says what arrived. where is the
// command that runs it.
func (l *lab) sniff(scene forgetest.Scene, iface string, where ...string) (arrived func() []string) {
	l.t.Helper()
	args := append(where, filepath.Join(programs(l.t, "forge"), "forge"), "sniff", iface, asJSON(scene))
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	l.must(err)
	l.must(cmd.Start())
	l.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		l.t.Fatalf("%v is not ready", args)
	}
	return func() (all []string) {
		for lines.Scan() {
			all = append(all, lines.Text())
		}
		return all
	}
}

func asJSON(v any) string {
	text, _ := json.Marshal(v) // of plain fields
	return string(text)
}

// attack has a container send frames of every kind that it may not send, and returns what the listeners
// heard. Each kind is counted.
func (l *lab) attack(name string, scene forgetest.Scene, heard ...func() []string) (all []string) {
	l.t.Helper()
	c := l.container(name)
	program, err := os.ReadFile(filepath.Join(programs(l.t, "forge"), "forge"))
	l.must(err)
	l.must(os.WriteFile(filepath.Join(l.volume(c.ID), "forge"), program, 0o755))
	before := dropsOf(l.t, c.NICs[0].Host)
	if out, code := l.exec(name, "/forge", "send", "eth0", asJSON(scene)); code != 0 {
		l.t.Fatal(out)
	}
	for _, h := range heard {
		all = append(all, h()...)
	}
	after := dropsOf(l.t, c.NICs[0].Host)
	for _, f := range scene.Frames() {
		if f.Kind != "" {
			before[f.Kind]++
		}
	}
	for kind, count := range before {
		if after[kind] < count {
			l.t.Errorf("%d of %d frames of kind %s were counted", after[kind], count, kind)
		}
	}
	return all
}

// dropsOf are the frames that an interface's rules have dropped, by kind.
func dropsOf(t testing.TB, veth string) map[string]int {
	t.Helper()
	drops := map[string]int{}
	for _, m := range regexp.MustCompile(`counter packets (\d+) bytes \d+ drop comment "(\w+)"`).FindAllStringSubmatch(guardOf(t, veth), -1) {
		n, _ := strconv.Atoi(m[1])
		drops[m[2]] += n
	}
	return drops
}

// guardOf is the chain of an interface, "" when there is none.
func guardOf(t testing.TB, veth string) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "ruleset", "netdev").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, chain, _ := strings.Cut(string(out), "chain "+veth+" {")
	chain, _, _ = strings.Cut(chain, "\n\t}")
	return chain
}
