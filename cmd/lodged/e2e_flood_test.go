package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// floodProgram builds testdata/flood to run in any container.
func floodProgram(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(base, "flood")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./testdata/flood")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestDNSFlood: a program inside a container asks as quickly as it can, for our names, for those of others
// and for nothing sensible, while the only upstream is dead. Its neighbour and the host get every answer, and
// it is counted what was dropped. Names of others fail, before a resolver would give up.
func TestDNSFlood(t *testing.T) {
	l := newLab(t)
	dead, err := net.ListenPacket("udp", "127.0.0.9:53") // takes every question and says nothing
	l.must(err)
	t.Cleanup(func() { dead.Close() })
	l.run("config", "set", "dns.upstream=127.0.0.9")
	l.launch("fl-loud", "fl-quiet")
	program := floodProgram(t)
	for _, name := range []string{"fl-loud", "fl-quiet"} {
		l.must(os.WriteFile(filepath.Join(l.volume(l.container(name).ID), "flood"), program, 0o755))
	}
	gateway, ip := l.gateway(), l.container("fl-quiet").NICs[0].IPv4
	ask := func(when string) {
		t.Helper()
		out, code := l.exec("fl-quiet", "/flood", "ask", gateway, "fl-quiet.lodge.internal", "300", ip)
		t.Logf("%s: %s", when, out)
		// One in a hundred may have to be asked twice, which every resolver does.
		if code != 0 || !regexp.MustCompile(`^lost [0-3] wrong 0 `).MatchString(out) {
			t.Errorf("%s the neighbour's answers: %s", when, out)
		}
		if got, err := resolve(gateway, "fl-quiet.lodge.internal"); got != ip {
			t.Errorf("%s the host gets %q, %v", when, got, err)
		}
		out, _ = l.exec("fl-quiet", "/flood", "fail", gateway, strings.ReplaceAll(when, " ", "-")+".example.org")
		t.Logf("%s: %s", when, out)
		if strings.Count(out, "SERVFAIL") != 2 {
			t.Errorf("%s with a dead upstream: %q", when, out)
		}
	}
	ask("before")
	bridge := l.bridge()
	if n := l.floodDrops(bridge); n != "0" {
		t.Errorf("%s questions were dropped before there was a flood", n)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.tryExec("fl-loud", "/flood", "send", gateway, "fl-quiet.lodge.internal")
	}()
	l.await("a flood", func() bool { return l.floodDrops(bridge) != "0" })
	ask("in the flood")
	before := l.floodDrops(bridge)
	l.kill() // the limits are the kernel's, and the role's
	if got, err := resolve(gateway, "fl-quiet.lodge.internal"); got != ip {
		t.Errorf("without an agent the host gets %q, %v", got, err)
	}
	l.await("it goes on and is counted", func() bool { return l.floodDrops(bridge) != before })
	l.start()
	l.run("kill", "fl-loud")
	<-ended
	ask("afterwards")
}

// floodDrops is how many questions were too many, as the kernel has counted.
func (l *lab) floodDrops(bridge string) string {
	l.t.Helper()
	out, err := exec.Command("nft", "list", "table", "netdev", "lodge_flood_"+bridge).Output()
	l.must(err)
	for line := range bytes.Lines(out) {
		if m := regexp.MustCompile(`dport 53 .*counter packets (\d+)`).FindSubmatch(line); m != nil {
			return string(m[1])
		}
	}
	l.t.Fatalf("nothing is counted:\n%s", out)
	return ""
}
