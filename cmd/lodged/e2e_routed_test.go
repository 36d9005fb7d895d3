package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network/forgetest"
	"lodge/web/client"
	"lodge/web/wire"
)

// A street is a network beyond an interface of the host, with a neighbour on it, 10.241.7.1 and fd42:7::1.
type street struct{ parent, ns string }

func (l *lab) newStreet() street {
	t := l.t
	t.Helper()
	tag := fmt.Sprintf("%04x", rand.IntN(1<<16))
	s := street{"lt" + tag + "h", "lt-" + tag}
	t.Cleanup(func() {
		exec.Command("ip", "netns", "delete", s.ns).Run()
		exec.Command("ip", "link", "delete", s.parent).Run()
	})
	ip(t, "netns", "add", s.ns)
	ip(t, "link", "add", s.parent, "type", "veth", "peer", "name", "door", "netns", s.ns)
	ip(t, "addr", "add", "10.241.7.99/24", "dev", s.parent)
	ip(t, "addr", "add", "fd42:7::99/64", "dev", s.parent, "nodad")
	ip(t, "link", "set", s.parent, "up")
	// Proxies wait up to 0.8 s before they answer, lest all answer at once (arp(7), proxy_delay).
	for _, family := range []string{"ipv4", "ipv6"} {
		l.must(os.WriteFile("/proc/sys/net/"+family+"/neigh/"+s.parent+"/proxy_delay", []byte("0"), 0))
	}
	for _, address := range []string{"10.241.7.1/24", "fd42:7::1/64"} {
		ip(t, "-n", s.ns, "addr", "add", address, "dev", "door", "nodad")
	}
	ip(t, "-n", s.ns, "link", "set", "door", "up")
	return s
}

// reaches reports whether the neighbour reaches all of the addresses.
func (s street) reaches(addresses ...string) bool {
	return exec.Command("ip", "netns", "exec", s.ns, "sh", "-c", pinging(addresses)).Run() == nil
}

func pinging(addresses []string) string {
	return "set -e; for a in " + strings.Join(addresses, " ") + "; do ping -c1 -W1 $a; done"
}

func (l *lab) pings(name string, addresses ...string) bool {
	l.t.Helper()
	_, code := l.exec(name, "sh", "-c", pinging(addresses))
	return code == 0
}

// opening listens on a port of the host; what it returns has a container try to connect there.
func (l *lab) opening(name, address string, port int) func() bool {
	l.t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
	l.must(err)
	l.t.Cleanup(func() { listener.Close() })
	go func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			c.Close()
		}
	}()
	return func() bool {
		_, code := l.exec(name, "nc", "-w", "2", address, fmt.Sprint(port))
		return code == 0
	}
}

func (l *lab) addingNIC(name, device string, properties ...string) mutation {
	d := inventory.Device{Name: device, Type: inventory.DeviceNIC, Properties: map[string]string{}}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		d.Properties[key] = value
	}
	return l.adding(name, d)
}

// TestRouted: containers without a bridge have their address on the street the host is on; rules hold
// between them and others, what somebody breaks is repaired, and nothing is left of one that goes.
func TestRouted(t *testing.T) {
	l := newLab(t)
	st := l.newStreet()
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "street", Type: "routed", Parent: st.parent, IPv4: "10.241.7.1/24", IPv6: "fd42:7::1/64"}))
	l.do(l.create(on("rt-a", "street"), true))
	l.do(l.create(tiny("rt-b"), true))
	a, b := l.container("rt-a").NICs[0], l.container("rt-b").NICs[0]
	check := func(when string) {
		t.Helper()
		l.await(when+": the neighbour reaches it", func() bool { return st.reaches(a.IPv4, a.IPv6) })
		l.await(when+": it reaches the neighbour, the host, and one of its project on a bridge, and that one it", func() bool {
			return l.pings("rt-a", "10.241.7.1", "fd42:7::1", "10.241.7.99", b.IPv4) && l.pings("rt-b", a.IPv4)
		})
		out, _ := exec.Command("ip", "route", "get", a.IPv4).Output()
		if guard := guardOf(t, a.Host); !strings.Contains(guard, a.IPv4) || !strings.Contains(string(out), a.Host) {
			t.Errorf("%s: it is guarded by %q and reached by %s", when, guard, out)
		}
	}
	check("at first")
	for _, broken := range []string{"route del " + a.IPv4 + "/32", "-6 route del " + a.IPv6 + "/128", "neigh del proxy " + a.IPv4 + " dev " + st.parent,
		"-6 neigh del proxy " + a.IPv6 + " dev " + st.parent, "addr del 169.254.0.1/32 dev " + a.Host, "link set " + a.Host + " down"} {
		ip(t, strings.Fields(broken)...)
	}
	check("after somebody broke it")
	l.kill()
	l.start()
	l.reboot("rt-a")
	check("after another agent and a reboot of its own")
	l.run("restart", "rt-a")
	check("after a restart")
	// Rules are those of all: within a project, and none of the host's ports.
	l.run("firewall", "deny", "rt-a", "rt-b", "any")
	l.await("denied, it doesn't reach the other", func() bool { return !l.pings("rt-a", b.IPv4) && l.pings("rt-b", a.IPv4) })
	if l.opening("rt-a", "10.241.7.99", 5356)() {
		t.Error("it opened a connection to the host")
	}
	for _, forged := range []string{"10.241.7.77", b.IPv4} {
		l.exec("rt-a", "ip", "addr", "add", forged+"/32", "dev", "eth0")
		if _, code := l.exec("rt-a", "ping", "-c", "1", "-W", "1", "-I", forged, "10.241.7.99"); code == 0 {
			t.Errorf("it is heard as %s", forged)
		}
		l.exec("rt-a", "ip", "addr", "del", forged+"/32", "dev", "eth0")
	}
	l.routedForger(st, a)
	l.routedDevice(st, "rt-b")
	for _, name := range []string{"rt-a", "rt-b"} {
		l.do(power(l.api.Purge, name))
	}
	l.checkClean()
	for _, list := range [][]string{{"ip", "neigh", "show", "proxy"}, {"ip", "-6", "neigh", "show", "proxy"}, {"ip", "route"}, {"ip", "link"}} {
		out, _ := exec.Command(list[0], list[1:]...).CombinedOutput()
		for _, left := range []string{a.IPv4, a.IPv6, a.Host, b.Host} {
			if strings.Contains(string(out), left) {
				t.Errorf("%v: %s is left: %s", list, left, out)
			}
		}
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.DeleteNetwork(ctx, "street", client.Options{})
	})
	if out, _ := exec.Command("nft", "list", "tables").Output(); strings.Contains(string(out), "street") {
		t.Errorf("the network is gone and its tables are %s", out)
	}
}

// routedForger: no frame that lies gets past the host's end of a routed container.
func (l *lab) routedForger(st street, own wire.NIC) {
	l.t.Helper()
	door, err := exec.Command("ip", "netns", "exec", st.ns, "cat", "/sys/class/net/door/address").Output()
	l.must(err)
	end, err := net.InterfaceByName(own.Host)
	l.must(err)
	scene := forgetest.Scene{Own: partyOf(own), Routed: true,
		Victim:  partyOf(wire.NIC{MAC: strings.TrimSpace(string(door)), IPv4: "10.241.7.1", IPv6: "fd42:7::1"}),
		Gateway: partyOf(wire.NIC{MAC: end.HardwareAddr.String(), IPv4: "169.254.0.1", IPv6: "fe80::1"})}
	if got := l.attack("rt-a", scene, l.sniff(scene, "door", "ip", "netns", "exec", st.ns)); !slices.Equal(got, []string{forgetest.End}) {
		l.t.Errorf("what the neighbour heard is %q", got)
	}
}

// routedDevice: one more interface of a container with a bridge comes and goes while it runs.
func (l *lab) routedDevice(st street, name string) {
	l.t.Helper()
	l.refused(l.addingNIC(name, "wan", "network=street", "nictype=bridged"), inventory.ErrInvalid, "routed")
	l.refused(l.addingNIC(name, "wan", "network=default", "nictype=routed"), inventory.ErrInvalid, "bridged")
	l.do(l.addingNIC(name, "wan", "network=street", "nictype=routed"))
	wan := l.nicOf(name, "wan")
	l.await("the neighbour reaches the added one", func() bool { return st.reaches(wan.IPv4, wan.IPv6) })
	l.reboot(name)
	l.await("after a reboot it does so still", func() bool { return st.reaches(wan.IPv4, wan.IPv6) })
	if out, _ := l.exec(name, "ip", "route"); !strings.Contains(out, "default via "+l.gateway()+" dev eth0") || strings.Count(out, "default") != 1 {
		l.t.Errorf("its routes are %s", out)
	}
	l.do(l.removing(name, "wan"))
	if rules := guardOf(l.t, wan.Host); st.reaches(wan.IPv4) || rules != "" {
		l.t.Errorf("%s is still there, with the rules %q", wan.Host, rules)
	}
	if out, _ := exec.Command("ip", "neigh", "show", "proxy").Output(); strings.Contains(string(out), wan.IPv4) {
		l.t.Errorf("the host still answers for it: %s", out)
	}
}

// TestPlainPair: an interface the agent plans nothing for; what comes of it is judged as a container's.
func TestPlainPair(t *testing.T) {
	l := newLab(t)
	st := l.newStreet()
	l.launch("pp-a")
	l.refused(l.addingNIC("pp-a", "own", "nictype=p2p", "network=default"), inventory.ErrInvalid, "no network")
	l.do(l.addingNIC("pp-a", "own", "nictype=p2p", "interface=own0"))
	own := l.nicOf("pp-a", "own")
	if own.IPv4 != "" || own.Network != "" || own.Name != "own0" || !strings.Contains(l.run("show", "pp-a"), "own0="+own.Host) {
		t.Errorf("%+v", own)
	}
	use := func(when string) {
		t.Helper()
		ip(t, "addr", "replace", "192.0.2.1/30", "dev", own.Host)
		l.exec("pp-a", "ip", "addr", "add", "192.0.2.2/30", "dev", "own0")
		l.await(when+": each reaches the other", func() bool {
			return l.pings("pp-a", "192.0.2.1") && exec.Command("ping", "-c1", "-W2", "192.0.2.2").Run() == nil
		})
	}
	use("at first")
	connects := l.opening("pp-a", "192.0.2.1", 5355) // the host's ports are not open
	if connects() {
		t.Error("it opened a connection to the host")
	}
	l.run("firewall", "allow", "192.0.2.2/32", "host", "tcp/5355")
	l.await("a rule opens it", connects)
	l.kill()
	l.start()
	l.run("restart", "pp-a")
	use("after a restart")
	l.run("clone", "pp-a", "pp-c")
	if n := l.nicOf("pp-c", "own"); n.Network != "" || n.IPv4 != "" || n.MAC == own.MAC {
		t.Errorf("the clone has %+v", n)
	}
	// The operator's end is the operator's: it may be put elsewhere, and goes with the device from there.
	ip(t, "link", "set", own.Host, "netns", st.ns)
	l.kill()
	l.start()
	l.do(l.removing("pp-a", "own"))
	if out, err := exec.Command("ip", "-n", st.ns, "link", "show", own.Host).CombinedOutput(); err == nil {
		t.Errorf("it is left: %s", out)
	}
	for _, name := range []string{"pp-a", "pp-c"} {
		l.do(power(l.api.Purge, name))
	}
	l.checkClean()
}
