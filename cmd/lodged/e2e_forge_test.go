package main

import (
	"os/exec"
	"strings"
	"testing"
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
