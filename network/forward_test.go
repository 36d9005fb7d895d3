package network_test

import (
	"os"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network"
)

func parseForward(t testing.TB, to *inventory.Container, listen, target string) inventory.Forward {
	t.Helper()
	f, err := inventory.ParseListen(listen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ParseTarget(target); err != nil {
		t.Fatal(err)
	}
	f.Container = to.ID
	return f
}

// A port of the host is a container's for the outside, for other containers of its own bridge, for the
// container itself, and for the host; over TCP and UDP, IPv4 and IPv6; ranges keep their order; a denial holds
// against it; and it ends with the container.
func TestForward(t *testing.T) {
	s, n := setup(t)
	web, webC := guarded(t, s, n, 2)
	other, otherC := guarded(t, s, n, 3)
	otherC.Project = "shop"
	outside := newHost(t)
	uplink := outside.plug("198.51.100.2/24", "2001:db8:51::2/64")
	command(t, "ip", "addr", "add", "198.51.100.1/24", "dev", uplink)
	command(t, "ip", "addr", "add", "2001:db8:51::1/64", "dev", uplink, "nodad")
	for _, port := range []string{":443", ":9000", ":9001", "udp/:53", "udp/:9000", "udp/:9001"} {
		web.listen(port)
	}
	e := estateOf(rootOf(s))
	e.Containers = []*inventory.Container{webC, otherC}
	for listen, target := range map[string]string{":8443": "web:443", ":8000-8001": "web:9000-9001", "192.0.2.7:81": "web:443",
		"udp/:8443": "web:53", "udp/:8000-8001": "web:9000-9001"} {
		e.Forwards = append(e.Forwards, parseForward(t, webC, listen, target))
	}
	apply := func() {
		t.Helper()
		if err := s.ApplyRules(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	reach := map[string]func(string) (string, error){"the outside": outside.connect, "a neighbour": other.connect, "it itself": web.connect,
		"the host": func(at string) (string, error) { return try(os.Args[0], "lodgetest-connect", at) }}
	// The container answers with the port it was asked on, so that what a range is mixed up to is seen.
	for at, port := range map[string]string{"198.51.100.1:8443": "443", "[2001:db8:51::1]:8443": "443", "198.51.100.1:8000": "9000",
		"[2001:db8:51::1]:8001": "9001", "udp/198.51.100.1:8443": "53", "udp/[2001:db8:51::1]:8443": "53",
		"udp/198.51.100.1:8000": "9000", "udp/198.51.100.1:8001": "9001", "udp/[2001:db8:51::1]:8001": "9001"} {
		for who, connect := range reach {
			if seen, err := connect(at); err != nil || !strings.HasSuffix(seen, " "+port) {
				t.Errorf("%s does not reach %s by %s: %s, %v", who, port, at, seen, err)
			}
		}
	}
	if seen, err := outside.connect("198.51.100.1:81"); err == nil {
		t.Errorf("a forward of another address answers: %s", seen)
	}
	e.Rules = []inventory.FirewallRule{parseRule(t, "deny 198.51.100.0/24 "+string(webC.ID)+" any")}
	apply()
	if seen, err := outside.connect("198.51.100.1:8443"); err == nil {
		t.Errorf("who is denied reaches the container by its forward: %s", seen)
	}
	e.Rules, e.Containers = nil, []*inventory.Container{otherC}
	apply()
	if seen, err := outside.connect("udp/198.51.100.1:8000"); err == nil {
		t.Errorf("a forward outlives its container: %s", seen)
	}
	if out := command(t, "nft", "list", "ruleset"); strings.Contains(out, webC.NICs[0].IPv4.String()+":") {
		t.Errorf("the kernel still forwards to a container that is gone:\n%s", out)
	}
}

// A port that somebody listens on is not given away, and its owner is named.
func TestTakenPort(t *testing.T) {
	s := network.New(network.Config{Root: t.TempDir()})
	command(t, "ip", "link", "set", "lo", "up")
	startTool(t, "/proc/self/exe", "lodgetest-listen", "0.0.0.0:7443")
	startTool(t, "/proc/self/exe", "lodgetest-listen", "udp/[::]:7453")
	for listen, want := range map[string]string{":7443": "network.test", ":7440-7450": "port 7443", "192.0.2.1:7443": "network.test",
		":7444": "", "udp/:7443": "", "udp/:7453": "network.test", "udp/[2001:db8::1]:7453": "network.test", ":7453": ""} {
		f, err := inventory.ParseListen(listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Taken(f); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", listen, got, want)
		}
	}
}
