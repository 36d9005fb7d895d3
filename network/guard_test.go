package network_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"lodge/inventory"
	"lodge/network"
	"lodge/network/forgetest"
)

// guarded makes a container on the bridge, with the interface names and MACs a real one has.
func guarded(t testing.TB, s *network.Service, n inventory.Network, number int) (*host, *inventory.Container) {
	t.Helper()
	c := testContainer(fmt.Sprintf("c%d", number), fmt.Sprintf("10.86.7.%d", number))
	c.ID = inventory.ContainerID(fmt.Sprintf("0198c0de-0000-7000-8000-%012x", number))
	c.NICs[0].MAC = network.MAC(c.ID, 0)
	if err := s.Guard(t.Context(), map[string]inventory.Network{n.Name: n}, &c); err != nil {
		t.Fatal(err)
	}
	return plugged(t, n, &c), &c
}

func plugged(t testing.TB, n inventory.Network, c *inventory.Container) *host {
	t.Helper()
	h, nic, port := newHost(t), c.NICs[0], c.HostInterface(0)
	command(t, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", nic.MAC, "netns", h.pid)
	t.Cleanup(func() { try("ip", "link", "del", port) })
	h.run("ip", "link", "set", "eth0", "up")
	h.run("ip", "addr", "add", nic.IPv4.String()+"/24", "dev", "eth0")
	h.run("ip", "addr", "add", nic.IPv6.String()+"/64", "dev", "eth0", "nodad")
	h.run("ip", "route", "add", "default", "via", n.IPv4.Addr().String())
	h.run("ip", "-6", "route", "add", "default", "via", n.IPv6.Addr().String())
	command(t, "ip", "link", "set", port, "up", "master", n.Bridge)
	return h
}

func partyOf(nic inventory.NIC) forgetest.Party {
	return forgetest.Party{MAC: nic.MAC, V4: nic.IPv4, V6: nic.IPv6, LL: network.LinkLocal(nic.MAC)}
}

func bridgeParty(t testing.TB, n inventory.Network) forgetest.Party {
	t.Helper()
	link, err := net.InterfaceByName(n.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	text := link.HardwareAddr.String()
	return forgetest.Party{MAC: text, V4: n.IPv4.Addr(), V6: n.IPv6.Addr(), LL: network.LinkLocal(text)}
}

func sceneOf(t testing.TB, n inventory.Network, own, victim inventory.NIC) forgetest.Scene {
	return forgetest.Scene{Own: partyOf(own), Victim: partyOf(victim), Gateway: bridgeParty(t, n)}
}

// attack sends every forgery from one container to another and returns what reached the victim or the
// host.
func attack(t testing.TB, n inventory.Network, from, to *host, own, victim inventory.NIC) []string {
	t.Helper()
	// What judges packets further on is not what is tested.
	for _, table := range []string{"lodge_" + n.Bridge, judgeTable(command(t, "nft", "list", "tables"))} {
		try("nft", "delete", "table", "inet", table)
	}
	scene, err := json.Marshal(sceneOf(t, n, own, victim))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{os.Args[0], "lodgetest-forge", "sniff", "eth0", string(scene)}
	atVictim := startSniff(t, to.in(args...)...)
	args[3] = n.Bridge
	atHost := startSniff(t, args...)
	command(t, from.in(os.Args[0], "lodgetest-forge", "send", "eth0", string(scene))...)
	return append(atVictim(), atHost()...)
}

// A container that forges gets nothing through, whatever it forges; its neighbours and the host get what
// it may send. What is dropped is counted by kind.
func TestForgedFrames(t *testing.T) {
	s, n := setup(t)
	forger, own := guarded(t, s, n, 2)
	victim, other := guarded(t, s, n, 3)
	honest := []string{"honest ARP", "honest ND", forgetest.End}
	want := slices.Concat(honest, honest) // at the victim and at the host
	check := func(when string) {
		t.Helper()
		before := drops(t, s, n, own)
		if got := attack(t, n, forger, victim, own.NICs[0], other.NICs[0]); !slices.Equal(got, want) {
			t.Errorf("%s, what arrived is %q", when, got)
		}
		after := drops(t, s, n, own)
		for _, f := range sceneOf(t, n, own.NICs[0], other.NICs[0]).Frames() {
			if f.Kind != "" {
				before[f.Kind]++
			}
		}
		for kind, count := range before {
			if after[kind] < count {
				t.Errorf("%s, %d of %d frames of kind %q were counted", when, after[kind], count, kind)
			}
		}
	}
	check("at first")
	if _, err := try(victim.in("ping", "-c1", "-W2", "10.86.7.1")...); err != nil {
		t.Errorf("the neighbour is disturbed: %v", err)
	}

	// The container's own reboot makes a new interface of that name.
	command(t, "ip", "link", "del", own.HostInterface(0))
	forger = plugged(t, n, own)
	check("with a new interface")

	// The agent starts again.
	s = newService(t.TempDir(), "1")
	if err := s.Guard(t.Context(), map[string]inventory.Network{n.Name: n}, own); err != nil {
		t.Fatal(err)
	}
	check("with another agent")
}

// Without the guard the same frames do arrive: the test above can fail.
func TestForgedFramesUnguarded(t *testing.T) {
	s, n := setup(t)
	forger, own := guarded(t, s, n, 2)
	victim, other := guarded(t, s, n, 3)
	if err := s.Unguard(t.Context(), map[string]inventory.Network{n.Name: n}, own); err != nil {
		t.Fatal(err)
	}
	got := attack(t, n, forger, victim, own.NICs[0], other.NICs[0])
	for _, name := range []string{"mac", "address of the gateway", "IPv6 of the gateway", "ARP for the gateway",
		"ND for the gateway", "DHCP", "RA"} {
		if !slices.Contains(got, name) {
			t.Errorf("%s did not arrive: %q", name, got)
		}
	}
}

func drops(t testing.TB, s *network.Service, n inventory.Network, c *inventory.Container) map[string]uint64 {
	t.Helper()
	all, err := s.Forged(t.Context(), n.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, f := range all {
		if f.Interface == c.HostInterface(0) {
			out[f.Kind] += f.Packets
		}
	}
	return out
}

func TestLinkLocal(t *testing.T) {
	for mac, want := range map[string]netip.Addr{
		"02:00:00:00:00:01": netip.MustParseAddr("fe80::ff:fe00:1"),
		"9a:4f:26:6a:b7:45": netip.MustParseAddr("fe80::984f:26ff:fe6a:b745"),
		"nonsense":          {},
	} {
		if got := network.LinkLocal(mac); got != want {
			t.Errorf("%s: %s, want %s", mac, got, want)
		}
	}
}
