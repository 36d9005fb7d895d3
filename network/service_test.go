package network_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"lodge/inventory"
	"lodge/network"
)

func TestNamesFromAContainer(t *testing.T) {
	s, n := setup(t)
	guest := newGuest(t, n, 2)
	ctx := context.Background()
	web := testContainer("web1", "10.86.7.2")
	db := testContainer("db", "10.86.7.3")
	db.Project = "shop"
	if err := s.Publish(ctx, []inventory.Container{web, db}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, want string }{
		{"web1.lodge.internal A", "10.86.7.2"},
		{"WEB1.Lodge.Internal A", "10.86.7.2"},
		{"web1.default.lodge.internal A", "10.86.7.2"},
		{"web1.lodge.internal AAAA", "fd4c:86:7::2"},
		{"db.shop.lodge.internal A", "10.86.7.3"},
		{"db.lodge.internal A", ""},
		{"-x 10.86.7.2", "web1.lodge.internal."},
		{"-x 10.86.7.3", "db.shop.lodge.internal."},
		{"-x fd4c:86:7::2", "web1.lodge.internal."},
		{"lodge.internal NS", "lodge.internal."},
		{"+tcp web1.lodge.internal A", "10.86.7.2"},
		{"+search +domain=lodge.internal web1 A", "10.86.7.2"},
	} {
		for _, server := range []string{"10.86.7.1", "fd4c:86:7::1"} {
			args := append([]string{"dig", "+short", "+tries=1", "+time=2", "@" + server}, strings.Fields(c.query)...)
			if got := guest.run(args...); got != c.want {
				t.Errorf("%v: %q, want %q", args, got, c.want)
			}
		}
	}
}

// A second Ensure changes nothing, so running containers notice nothing; a damaged bridge is repaired
// with its ports.
func TestEnsureAgain(t *testing.T) {
	s, n := setup(t)
	ctx := context.Background()
	guest := newGuest(t, n, 2)
	if err := s.Publish(ctx, []inventory.Container{testContainer("web1", "10.86.7.2")}); err != nil {
		t.Fatal(err)
	}
	show := func() string { return command(t, "ip", "addr", "show", n.Bridge) }
	before := show()
	events := exec.Command("ip", "monitor", "link", "address", "route", "dev", n.Bridge)
	var seen strings.Builder
	events.Stdout = &seen
	if err := events.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Ensure(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	events.Process.Signal(syscall.SIGTERM)
	events.Wait()
	if seen.String() != "" || show() != before {
		t.Errorf("an Ensure that had nothing to do changed something:\n%s\n%s\n%s", seen.String(), before, show())
	}
	command(t, "ip", "link", "set", n.Bridge, "address", "02:00:00:00:00:07", "mtu", "1300")
	command(t, "ip", "addr", "flush", "dev", n.Bridge)
	command(t, "ip", "addr", "add", "10.99.99.1/24", "dev", n.Bridge)
	command(t, "ip", "link", "set", n.Bridge, "down")
	command(t, "nft", "delete", "table", "inet", "lodge_"+n.Bridge)
	if err := s.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	after := strings.Join(strings.Fields(show()), " ")
	for _, want := range []string{"10.86.7.1/24", "fd4c:86:7::1/64", "mtu 1500", "UP"} {
		if !strings.Contains(after, want) {
			t.Errorf("%s is missing after the repair: %s", want, after)
		}
	}
	if strings.Contains(after, "10.99.99.1") || strings.Contains(after, "02:00:00:00:00:07") {
		t.Errorf("not repaired: %s", after)
	}
	if got := guest.run("dig", "+short", "+tries=3", "+time=1", "@10.86.7.1", "web1.lodge.internal"); got != "10.86.7.2" {
		t.Errorf("web1 is %q after the repair", got)
	}
}

// A bridge that was deleted under the agent comes back with the same MAC, and the role's sockets
// still work.
func TestBridgeIsMadeAnew(t *testing.T) {
	s, n := setup(t)
	ctx := context.Background()
	mac := func() string { return command(t, "cat", "/sys/class/net/"+n.Bridge+"/address") }
	if !readable("/sys/class/net/" + n.Bridge) {
		mac = func() string {
			fields := strings.Fields(command(t, "ip", "-o", "link", "show", n.Bridge))
			return fields[slices.Index(fields, "link/ether")+1]
		}
	}
	before := mac()
	command(t, "ip", "link", "del", n.Bridge)
	if err := s.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if after := mac(); after != before {
		t.Errorf("the MAC was %s and is %s", before, after)
	}
	guest := newGuest(t, n, 2)
	if got := guest.run("dig", "+short", "+tries=3", "+time=1", "@fd4c:86:7::1", "lodge.internal", "A"); got != "10.86.7.1" {
		t.Errorf("the names are gone: %q", got)
	}
}

// A bridge that an earlier agent made, or somebody changed, is put right where it is.
func TestBridgeIsRepaired(t *testing.T) {
	s, n := setup(t)
	index := func() string { return strings.Fields(command(t, "ip", "-o", "link", "show", n.Bridge))[0] }
	before := index()
	command(t, "ip", "link", "set", n.Bridge, "type", "bridge", "mcast_snooping", "1")
	command(t, "ip", "link", "set", n.Bridge, "mtu", "1400")
	command(t, "ip", "addr", "add", "10.99.1.1/24", "dev", n.Bridge)
	for range 2 {
		if err := s.Ensure(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	shown := command(t, "ip", "-d", "addr", "show", n.Bridge)
	if !strings.Contains(shown, "mcast_snooping 0") || !strings.Contains(shown, "mtu 1500") || strings.Contains(shown, "10.99.1.1") {
		t.Errorf("it is left as\n%s", shown)
	}
	if after := index(); after != before {
		t.Errorf("the bridge was made anew: %s, then %s", before, after)
	}
}

func readable(path string) bool { _, err := os.Stat(path); return err == nil }

func TestEnsureRefuses(t *testing.T) {
	requireRoot(t, "ip", "nft")
	ctx := context.Background()
	s := newService(t.TempDir(), "1")
	n := testNetwork(randomName())
	command(t, "ip", "link", "add", n.Bridge, "type", "veth", "peer", "name", randomName())
	t.Cleanup(func() { try("ip", "link", "del", n.Bridge) })
	if err := s.Ensure(ctx, n); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("took a link that is no bridge: %v", err)
	}
	command(t, "ip", "link", "del", n.Bridge)
	command(t, "ip", "link", "add", n.Bridge, "type", "bridge")
	command(t, "ip", "link", "set", n.Bridge, "alias", "lodge /elsewhere")
	if err := s.Ensure(ctx, n); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("took another agent's bridge: %v", err)
	}
	if err := s.Remove(ctx, n); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("removed another agent's bridge: %v", err)
	}
	for name, change := range map[string]func(*inventory.Network){
		"no gateway": func(n *inventory.Network) { n.IPv4 = n.IPv4.Masked() },
		"long name":  func(n *inventory.Network) { n.Bridge = "lodgetest0123456789" },
		"IPv6 /48":   func(n *inventory.Network) { n.IPv6 = netip.MustParsePrefix("fd4c::1/48") },
		"tiny MTU":   func(n *inventory.Network) { n.MTU = 576 },
	} {
		bad := n
		change(&bad)
		if err := s.Ensure(ctx, bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The uplink keeps the routes it learned by router advertisement when forwarding goes on.
func TestForwardingKeepsUplinks(t *testing.T) {
	requireRoot(t, "ip", "nft", "sysctl")
	command(t, "sysctl", "-w", "net.ipv6.conf.all.forwarding=0", "net.ipv4.ip_forward=0")
	name := randomName()
	peer := randomName()
	command(t, "ip", "link", "add", name, "type", "veth", "peer", "name", peer)
	t.Cleanup(func() { try("ip", "link", "del", name) })
	command(t, "ip", "link", "set", name, "up")
	command(t, "ip", "link", "set", peer, "up")
	command(t, "sysctl", "-w", "net.ipv6.conf."+name+".accept_ra=1")
	command(t, "ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", name, "proto", "ra")
	_, n := setup(t)
	for key, want := range map[string]string{
		"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1",
		"net.ipv6.conf." + name + ".accept_ra": "2", "net.ipv6.conf." + n.Bridge + ".accept_ra": "0",
	} {
		if got := command(t, "sysctl", "-n", key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestForwardingAndResolvConf(t *testing.T) {
	s, n := setup(t)
	guest := newGuest(t, n, 2)
	ctx := context.Background()
	first, second := upstream(t, "127.0.0.11", "192.0.2.11"), upstream(t, "127.0.0.12", "192.0.2.12")
	resolvConf := filepath.Join(rootOf(s), "resolv.conf")
	lookup := func() string {
		out, _ := try(guest.in("dig", "+short", "+tries=1", "+time=1", "@10.86.7.1", "example.org")...)
		return out
	}
	if len(s.Warnings()) == 0 {
		t.Error("no warning of missing name servers")
	}
	os.WriteFile(resolvConf, []byte("search x\nnameserver 10.86.7.1\nnameserver 127.0.0.11\n"), 0o644)
	waitFor(t, "the first upstream", func() bool { return lookup() == "192.0.2.11" })
	os.WriteFile(resolvConf, []byte("nameserver 127.0.0.12\n"), 0o644)
	waitFor(t, "the second upstream", func() bool { return lookup() == "192.0.2.12" })
	if err := s.Configure(ctx, network.Options{Upstream: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.11:53")}}); err != nil {
		t.Fatal(err)
	}
	if got := lookup(); got != "192.0.2.11" {
		t.Errorf("the setting gave %q", got)
	}
	if first.asked.Load() == 0 || second.asked.Load() == 0 {
		t.Error("an upstream was never asked")
	}
}

// Without a role a start goes on, and the role catches up when it is there.
func TestPublishWithoutARole(t *testing.T) {
	requireRoot(t, "ip", "nft", "dig")
	command(t, "ip", "link", "set", "lo", "up")
	ctx, n := context.Background(), testNetwork(randomName())
	s := newService(t.TempDir(), "1")
	t.Cleanup(func() { s.Stop(ctx); s.Remove(ctx, n) })
	web := []inventory.Container{testContainer("web1", "10.86.7.2")}
	if err := s.Publish(ctx, web); !errors.Is(err, inventory.ErrUnavailable) {
		t.Errorf("before Ensure: %v", err)
	}
	if err := s.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, web); !errors.Is(err, inventory.ErrUnavailable) {
		t.Errorf("without a role: %v", err)
	}
	if err := s.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "dig", "+short", "@10.86.7.1", "web1.lodge.internal"); got != "10.86.7.2" {
		t.Errorf("web1 is %q", got)
	}
}

// Another program on port 53 is named, and names come as soon as it is gone.
func TestPortIsTaken(t *testing.T) {
	requireRoot(t, "ip", "nft", "dig")
	command(t, "ip", "link", "set", "lo", "up")
	ctx, n := context.Background(), testNetwork(randomName())
	s := newService(t.TempDir(), "1")
	t.Cleanup(func() { s.Stop(ctx); s.Remove(ctx, n) })
	other, err := net.ListenPacket("udp4", "0.0.0.0:53")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := s.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := s.StartRole(ctx); !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "udp 10.86.7.1:53") {
		t.Errorf("got %v", err)
	}
	other.Close()
	waitFor(t, "the names", func() bool {
		out, err := try("dig", "+short", "+tries=1", "+time=1", "@10.86.7.1", "lodge.internal")
		return err == nil && out == "10.86.7.1"
	})
}

// Two agents on one host don't touch each other.
func TestSideBySide(t *testing.T) {
	_, first := setup(t)
	ctx := context.Background()
	other := newService(t.TempDir(), "1")
	n := inventory.Network{Name: "test", Bridge: randomName(), NAT: true, IPv4: netip.MustParsePrefix("10.86.8.1/24")}
	t.Cleanup(func() { other.Stop(ctx); other.Remove(ctx, n) })
	if err := errors.Join(other.Ensure(ctx, n), other.StartRole(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other.Stop(ctx), other.Remove(ctx, n)); err != nil {
		t.Fatal(err)
	}
	if out, err := try("ip", "link", "show", n.Bridge); err == nil {
		t.Errorf("still there: %s", out)
	}
	if tables := command(t, "nft", "list", "tables"); strings.Contains(tables, n.Bridge) || !strings.Contains(tables, first.Bridge) {
		t.Errorf("tables left: %s", tables)
	}
	if got := command(t, "dig", "+short", "@10.86.7.1", "lodge.internal"); got != "10.86.7.1" {
		t.Errorf("the first agent's names are gone: %q", got)
	}
}

// fakeUpstream answers every A question with one address.
type fakeUpstream struct{ asked atomic.Int64 }

func upstream(t testing.TB, listen, answer string) *fakeUpstream {
	t.Helper()
	u := &fakeUpstream{}
	pc, err := net.ListenPacket("udp", listen+":53")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		u.asked.Add(1)
		m := new(dns.Msg).SetReply(r)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A: net.ParseIP(answer)}}
		w.WriteMsg(m)
	})}
	go srv.ActivateAndServe()
	t.Cleanup(func() { srv.Shutdown() })
	return u
}
