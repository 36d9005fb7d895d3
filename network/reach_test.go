package network_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"lodge/network"
)

// Containers reach the outside under the host's address; the outside doesn't reach them.
func TestNAT(t *testing.T) {
	s, n := setup(t)
	guest := newGuest(t, n, 2)
	letMeet(t, s, "10.86.7.2", "10.86.7.3")
	outside := newHost(t)
	uplink := outside.plug("198.51.100.2/24", "2001:db8:51::2/64")
	command(t, "ip", "addr", "add", "198.51.100.1/24", "dev", uplink)
	command(t, "ip", "addr", "add", "2001:db8:51::1/64", "dev", uplink, "nodad")
	outside.listen("198.51.100.2:7000")
	outside.listen("[2001:db8:51::2]:7000")
	guest.listen("10.86.7.2:7000")
	for _, on := range []string{"1", "0"} { // with and without br_netfilter the same
		try("sysctl", "-w", "net.bridge.bridge-nf-call-iptables="+on, "net.bridge.bridge-nf-call-ip6tables="+on)
		for addr, want := range map[string]string{"198.51.100.2:7000": "198.51.100.1:", "[2001:db8:51::2]:7000": "[2001:db8:51::1]:"} {
			if seen, err := guest.connect(addr); err != nil || !strings.HasPrefix(seen, want) {
				t.Errorf("%s saw the guest as %q, %v; want %s", addr, seen, err, want)
			}
		}
		peer := newGuest(t, n, 3)
		if seen, err := peer.connect("10.86.7.2:7000"); err != nil || !strings.HasPrefix(seen, "10.86.7.3:") {
			t.Errorf("a container saw another as %q, %v", seen, err)
		}
		if seen, err := peer.connect("10.86.7.2:7001"); err == nil {
			t.Errorf("nobody listens there: %q", seen)
		}
	}
	if seen, err := try(os.Args[0], "lodgetest-connect", "10.86.7.2:7000"); err != nil || !strings.HasPrefix(seen, "10.86.7.1:") {
		t.Errorf("the container saw the host as %q, %v", seen, err)
	}
	outside.run("ip", "route", "add", "10.86.7.0/24", "via", "198.51.100.1")
	if seen, err := outside.connect("10.86.7.2:7000"); err == nil {
		t.Errorf("the outside reached a container, which saw %q", seen)
	}
	if out, err := try(outside.in("dig", "+tries=1", "+time=1", "@10.86.7.1", "lodge.internal")...); err == nil {
		t.Errorf("the outside was answered on the bridge's address: %s", out)
	}
}

// Without NAT the network is routed: addresses are seen as they are, in both directions.
func TestRouted(t *testing.T) {
	s, n := setup(t)
	n.NAT = false
	if err := s.Ensure(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	guest, outside := newGuest(t, n, 2), newHost(t)
	uplink := outside.plug("198.51.100.2/24")
	command(t, "ip", "addr", "add", "198.51.100.1/24", "dev", uplink)
	outside.run("ip", "route", "add", "10.86.7.0/24", "via", "198.51.100.1")
	outside.listen("198.51.100.2:7000")
	guest.listen("10.86.7.2:7000")
	if seen, err := guest.connect("198.51.100.2:7000"); err != nil || !strings.HasPrefix(seen, "10.86.7.2:") {
		t.Errorf("the outside saw the guest as %q, %v", seen, err)
	}
	if seen, err := outside.connect("10.86.7.2:7000"); err != nil || !strings.HasPrefix(seen, "198.51.100.2:") {
		t.Errorf("the guest saw the outside as %q, %v", seen, err)
	}
}

// A container may not use addresses that aren't the network's.
func TestForgedSource(t *testing.T) {
	_, n := setup(t)
	guest, outside := newGuest(t, n, 2), newHost(t)
	uplink := outside.plug("198.51.100.2/24")
	command(t, "ip", "addr", "add", "198.51.100.1/24", "dev", uplink)
	outside.run("ip", "route", "add", "default", "via", "198.51.100.1")
	outside.run("nft", "add table inet seen; add chain inet seen in { type filter hook input priority 0; }; "+
		"add rule inet seen in udp dport 9 counter")
	guest.run("ip", "addr", "add", "203.0.113.9/32", "dev", "eth0")
	guest.run("bash", "-c", "echo x > /dev/udp/198.51.100.2/9")
	waitFor(t, "the honest packet", func() bool { return strings.Contains(outside.run("nft", "list", "ruleset"), "packets 1 ") })
	guest.run("ip", "route", "change", "default", "via", "10.86.7.1", "src", "203.0.113.9")
	guest.run("bash", "-c", "echo x > /dev/udp/198.51.100.2/9")
	guest.run("ip", "route", "change", "default", "via", "10.86.7.1", "src", "10.86.7.2")
	guest.run("bash", "-c", "echo x > /dev/udp/198.51.100.2/9")
	waitFor(t, "the second honest packet", func() bool { return strings.Contains(outside.run("nft", "list", "ruleset"), "packets 2 ") })
}

// The host's own ports are closed to containers until it is allowed.
func TestHostAccess(t *testing.T) {
	s, n := setup(t)
	guest := newGuest(t, n, 2)
	startTool(t, os.Args[0], "lodgetest-listen", "0.0.0.0:7022")
	if seen, err := guest.connect("10.86.7.1:7022"); err == nil {
		t.Errorf("a container reached a port of the host: %q", seen)
	}
	if _, err := try(guest.in("ping", "-c1", "-W1", "10.86.7.1")...); err != nil {
		t.Errorf("the gateway doesn't answer pings: %v", err)
	}
	if err := s.Configure(context.Background(), network.Options{HostAccess: true}); err != nil {
		t.Fatal(err)
	}
	if seen, err := guest.connect("10.86.7.1:7022"); err != nil {
		t.Errorf("still closed: %q, %v", seen, err)
	}
}
