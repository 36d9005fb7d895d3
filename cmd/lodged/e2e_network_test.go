package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
	"lodge/web/wire"
)

func (l *lab) network(name string) wire.Network {
	l.t.Helper()
	all, err := l.api.Networks(context.Background())
	l.must(err)
	for _, n := range all {
		if n.Name == name {
			return n
		}
	}
	l.t.Fatalf("there is no network %s", name)
	return wire.Network{}
}

// on are the parameters of a tiny container on a network.
func on(name, network string) inventory.CreateArgs {
	args := tiny(name)
	args.Network = network
	return args
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// TestNetworks makes a second network: containers on it have its addresses and its gateway, names are
// answered there, it outlives the agent, and it is removed when nobody is on it, with all it had of
// the host.
func TestNetworks(t *testing.T) {
	l := newLab(t)
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "lab", Purpose: "for trying things"}))
	n := l.network("lab")
	gateway, _, _ := strings.Cut(n.IPv4, "/")
	l.do(l.create(on("nw-a", "lab"), true))
	l.do(l.create(tiny("nw-b"), true))
	l.stop()
	l.start()
	if ip := l.container("nw-a").NICs[0]; ip.Network != "lab" || ip.IPv4 != l.within("lab", 2) {
		t.Errorf("the first on network lab has %+v", ip)
	}
	if out, code := l.exec("nw-a", "ping", "-c", "1", "-W", "2", gateway); code != 0 {
		t.Errorf("its gateway: %s", out)
	}
	if out, code := l.exec("nw-a", "nslookup", "nw-b.lodge.internal", gateway); code != 0 {
		t.Errorf("a name, asked there: %s", out)
	}
	drop := func(ctx context.Context) (client.Answer, error) {
		return l.api.DeleteNetwork(ctx, "lab", client.Options{})
	}
	l.refused(drop, inventory.ErrState, "nw-a")
	subnet := "10.99.99.1/24"
	l.refused(func(ctx context.Context) (client.Answer, error) {
		return l.api.UpdateNetwork(ctx, inventory.NetworkUpdateArgs{Name: "lab", IPv4: &subnet}, client.Options{})
	}, inventory.ErrState, "nw-a")
	l.refused(l.makingNetwork(inventory.NetworkArgs{Name: "twin", IPv4: n.IPv4}), inventory.ErrExists, "overlaps")
	l.do(power(deleting(l), "nw-a"))
	l.refused(drop, inventory.ErrState, "nw-a") // the trash holds its address
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Purge(ctx, at("nw-a"), client.Options{})
	})
	l.do(drop)
	if out, err := exec.Command("ip", "link", "show", n.Bridge).CombinedOutput(); err == nil {
		t.Errorf("the bridge is still there: %s", out)
	}
	if out, err := exec.Command("nft", "list", "table", "inet", "lodge_"+n.Bridge).CombinedOutput(); err == nil {
		t.Errorf("its rules are still there: %s", out)
	}
	if out, code := l.exec("nw-b", "ping", "-c", "1", "-W", "2", strings.Split(l.network("default").IPv4, "/")[0]); code != 0 {
		t.Errorf("the other network: %s", out)
	}
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "lab"})) // the claim was given back
}

// TestNetworksOfTheHost puts containers onto a bridge and beside an interface that are not the agent's:
// what it doesn't own it neither changes nor removes.
func TestNetworksOfTheHost(t *testing.T) {
	l := newLab(t)
	tag := fmt.Sprintf("%04x", rand.IntN(1<<16))
	bridge, ns, here, there := "lt"+tag+"b", "lt-"+tag, "lt"+tag+"h", "lt"+tag+"t"
	t.Cleanup(func() {
		exec.Command("ip", "netns", "delete", ns).Run()
		exec.Command("ip", "link", "delete", here).Run()
		exec.Command("ip", "link", "delete", bridge).Run()
	})
	ip(t, "link", "add", bridge, "type", "bridge")
	ip(t, "link", "set", bridge, "up")
	ip(t, "netns", "add", ns)
	ip(t, "link", "add", here, "type", "veth", "peer", "name", there, "netns", ns)
	ip(t, "link", "set", here, "master", bridge, "up")
	ip(t, "-n", ns, "addr", "add", "10.241.7.1/24", "dev", there)
	ip(t, "-n", ns, "link", "set", there, "up")

	l.refused(l.makingNetwork(inventory.NetworkArgs{Name: "office", Type: "bridge", Parent: bridge}), inventory.ErrInvalid, "--ipv4")
	l.refused(l.makingNetwork(inventory.NetworkArgs{Name: "office", Type: "bridge", Parent: "nosuch0", IPv4: "10.241.7.1/24"}),
		inventory.ErrNotFound, "nosuch0")
	l.refused(l.makingNetwork(inventory.NetworkArgs{Name: "office", Type: "bridge", Parent: here, IPv4: "10.241.7.1/24"}),
		inventory.ErrInvalid, "no bridge")
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "office", Type: "bridge", Parent: bridge, IPv4: "10.241.7.1/24"}))
	ip(t, "-n", ns, "addr", "add", "10.241.7.2/24", "dev", there) // somebody has it whom nobody told of
	claimed := on("nw-claims", "office")
	claimed.IP = "10.241.7.2"
	l.refused(l.create(claimed, false), inventory.ErrExists, "answers for")
	l.do(l.create(on("nw-office", "office"), true))
	if got := l.container("nw-office").NICs[0].IPv4; got != "10.241.7.3" {
		t.Errorf("beside somebody who has 10.241.7.2 it has %s", got)
	}
	if out, code := l.exec("nw-office", "ping", "-c", "1", "-W", "3", "10.241.7.1"); code != 0 {
		t.Errorf("the router beyond the host's bridge: %s", out)
	}
	ip(t, "-n", ns, "addr", "add", "10.241.7.3/24", "dev", there) // and somebody takes the container's
	strays, err := l.api.Strays(t.Context())
	l.must(err)
	if len(strays) != 1 || strays[0].Kind != inventory.StrayAnswer || strays[0].Name != "10.241.7.3" ||
		!strings.Contains(strays[0].Detail, "nw-office") {
		t.Errorf("what does not fit: %+v", strays)
	}
	l.kill()
	l.start() // which looks first
	for e, err := range l.api.Events(t.Context(), client.EventQuery{Type: "address.conflict"}) {
		l.must(err)
		if e.Name != "nw-office" || !strings.Contains(string(e.Data), "10.241.7.3") {
			t.Errorf("it tells of %s: %s", e.Name, e.Data)
		}
		break
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Purge(ctx, at("nw-office"), client.Options{})
	})
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.DeleteNetwork(ctx, "office", client.Options{})
	})
	ip(t, "link", "show", bridge)

	ip(t, "link", "set", here, "nomaster")
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "street", Type: "macvlan", Parent: here, IPv4: "10.241.7.1/24"}))
	l.do(l.create(on("nw-street", "street"), true))
	if out, code := l.exec("nw-street", "ping", "-c", "1", "-W", "3", "10.241.7.1"); code != 0 {
		t.Errorf("the router beyond the host's interface: %s", out)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Purge(ctx, at("nw-street"), client.Options{})
	})
}

// TestReservations keeps addresses from all containers, and from all but one.
func TestReservations(t *testing.T) {
	l := newLab(t)
	l.do(l.reserving(inventory.ReserveArgs{Range: l.within("default", 2) + "-" + l.within("default", 4), Note: "printers"}))
	l.do(l.reserving(inventory.ReserveArgs{Range: l.within("default", 5), For: "nw-mine"}))
	l.refused(l.reserving(inventory.ReserveArgs{Range: l.within("default", 4)}), inventory.ErrExists, "overlaps")
	l.refused(l.reserving(inventory.ReserveArgs{Range: "10.1.2.3"}), inventory.ErrInvalid, "outside")
	l.do(l.create(tiny("nw-other"), false))
	if got := l.container("nw-other").NICs[0].IPv4; got != l.within("default", 6) {
		t.Errorf("the first free address is %s", got)
	}
	taken := tiny("nw-thief")
	taken.IP = l.within("default", 5)
	if _, err := l.try(l.create(taken, false)); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("another container asks for it: %v", err)
	}
	l.do(l.create(tiny("nw-mine"), false))
	if got := l.container("nw-mine").NICs[0].IPv4; got != l.within("default", 5) {
		t.Errorf("the container it is reserved for has %s", got)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Release(ctx, inventory.ReleaseArgs{Range: l.within("default", 2) + "-" + l.within("default", 4)}, client.Options{})
	})
	l.do(l.create(tiny("nw-next"), false))
	if got := l.container("nw-next").NICs[0].IPv4; got != l.within("default", 2) {
		t.Errorf("once released, the first free address is %s", got)
	}
	for range 3 { // plans hold nothing
		if _, err := l.api.Create(context.Background(), tiny("nw-planned"), false, client.Options{Plan: true}); err != nil {
			t.Fatal(err)
		}
	}
	l.do(l.create(tiny("nw-planned"), false))
	if got := l.container("nw-planned").NICs[0].IPv4; got != l.within("default", 3) {
		t.Errorf("after three plans it has %s", got)
	}
}

// TestWithoutIPv6: on a host that has IPv6 disabled containers have IPv4 alone, and run.
func TestWithoutIPv6(t *testing.T) {
	disable := func(value string) {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	need.Root(t)
	t.Cleanup(func() { disable("0") })
	disable("1")
	l := newLab(t)
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "routed", Type: "routed", IPv4: "10.242.7.1/24", IPv6: "fd42:8::1/64"}))
	l.launch("nw-four")
	l.do(l.create(on("nw-rt", "routed"), true))
	l.do(l.addingNIC("nw-four", "lan"))
	check := func(when string, with bool) {
		t.Helper()
		for _, name := range []string{"nw-four", "nw-rt"} {
			out, _ := l.exec(name, "ip", "addr")
			for _, nic := range l.container(name).NICs {
				if exec.Command("ping", "-c1", "-W2", nic.IPv4).Run() != nil {
					t.Errorf("%s: %s isn't reached", when, nic.IPv4)
				}
				if has := strings.Contains(out, nic.IPv6); has != with {
					t.Errorf("%s: the addresses are %s", when, out)
				}
			}
		}
	}
	check("disabled", false)
	if log := l.log(); !strings.Contains(log, "IPv4 alone") {
		t.Error("nobody said so")
	}
	disable("0")
	l.await("the bridge has its IPv6 address", func() bool {
		n := l.network("default")
		out, _ := exec.Command("ip", "-6", "addr", "show", n.Bridge).Output()
		return strings.Contains(string(out), n.IPv6)
	})
	l.run("restart", "nw-four", "nw-rt")
	check("enabled", true)
}
