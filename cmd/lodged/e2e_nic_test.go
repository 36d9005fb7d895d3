package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// nicOf is the interface that a device of a container gives.
func (l *lab) nicOf(name, device string) wire.NIC {
	l.t.Helper()
	for _, n := range l.container(name).NICs {
		if n.Device == device {
			return n
		}
	}
	l.t.Fatalf("%s has no interface of device %s", name, device)
	return wire.NIC{}
}

// interfaces are those the kernel shows in the network namespace of a process, but for loopback.
func interfaces(pid int) (names []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "lo" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// checkNIC: the interface is inside, with its addresses and without a route of its own, it answers, and
// its names do.
func (l *lab) checkNIC(when, name string, want wire.NIC) {
	l.t.Helper()
	if got := l.nicOf(name, want.Device); got != want {
		l.t.Errorf("%s: the interface was %+v and is %+v", when, want, got)
	}
	out, code := l.exec(name, "ip", "addr", "show", want.Name)
	for _, text := range []string{want.IPv4 + "/", want.IPv6 + "/64", want.MAC, ",UP,"} {
		if code != 0 || !strings.Contains(out, text) {
			l.t.Errorf("%s: %s is not among %s", when, text, out)
		}
	}
	if out, _ := l.exec(name, "ip", "route"); strings.Count(out, "default") != 1 || !strings.Contains(out, "default via "+l.gateway()+" dev eth0") {
		l.t.Errorf("%s: the routes are %s", when, out)
	}
	if rules := guardOf(l.t, l.hostEnd(name, want)); !strings.Contains(rules, want.MAC) || !strings.Contains(rules, want.IPv4) {
		l.t.Errorf("%s: it is guarded by %q", when, rules)
	}
	l.await(when+": "+want.IPv4+" answers", func() bool { return exec.Command("ping", "-c1", "-W1", want.IPv4).Run() == nil })
	l.answers(name+".lodge.internal", want.IPv4)
}

// hostEnd is the host's end of an interface: the port of a bridge whose peer it is.
func (l *lab) hostEnd(name string, n wire.NIC) string {
	l.t.Helper()
	out, _ := l.exec(name, "cat", "/sys/class/net/"+n.Name+"/iflink")
	links, err := net.Interfaces()
	l.must(err)
	for _, link := range links {
		if fmt.Sprint(link.Index) == strings.TrimSpace(out) {
			return link.Name
		}
	}
	return "none"
}

func (l *lab) gateway() string {
	l.t.Helper()
	all, err := l.api.Networks(l.t.Context())
	l.must(err)
	gateway, _, _ := strings.Cut(all[0].IPv4, "/")
	return gateway
}

// TestNIC: one more interface comes to a running container, holds its address over every kind of
// restart, and goes with its address.
func TestNIC(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	first := l.container("lt-web").NICs[0]
	pid := l.container("lt-web").Observed.InitPID
	if out := l.run("device", "add", "lt-web", "lan", "nic", "--plan"); !strings.Contains(out, "medium risk") || !strings.Contains(out, " at ") {
		t.Errorf("the plan: %s", out)
	}
	l.run("device", "add", "lt-web", "lan", "nic")
	lan := l.nicOf("lt-web", "lan")
	if lan.Name != "eth1" || lan.IPv4 == first.IPv4 || lan.MAC == first.MAC || lan.Pinned || l.container("lt-web").Observed.InitPID != pid {
		t.Errorf("%+v beside %+v", lan, first)
	}
	l.checkNIC("added", "lt-web", lan)
	l.run("device", "add", "lt-web", "back", "nic", "interface=back0", "ip="+next(lan.IPv4))
	back := l.nicOf("lt-web", "back")
	if back.Name != "back0" || back.IPv4 != next(lan.IPv4) || !back.Pinned {
		t.Errorf("%+v", back)
	}
	check := func(when string) {
		t.Helper()
		l.checkNIC(when, "lt-web", lan)
		l.checkNIC(when, "lt-web", back)
		if got := interfaces(l.container("lt-web").Observed.InitPID); !slices.Equal(got, []string{"back0", "eth0", "eth1"}) {
			t.Errorf("%s: the interfaces are %v", when, got)
		}
		l.checkClean()
	}
	check("both added")
	for when, restart := range map[string]func(){
		"after a restart":                   func() { l.run("restart", "lt-web") },
		"after another agent came":          func() { l.kill(); l.start() },
		"after a reboot of its own":         func() { l.reboot("lt-web") },
		"after a reboot without an agent":   func() { pid := l.init("lt-web"); l.stop(); l.rebootUnseen(pid); l.start() },
		"after its root took one away":      func() { l.exec("lt-web", "ip", "link", "del", "eth1"); l.run("restart", "lt-web") },
		"after the trash":                   func() { l.run("delete", "lt-web"); l.run("trash", "restore", "lt-web") },
		"after the others' change of limit": func() { l.run("resize", "lt-web", "--memory", "80MiB") },
	} {
		restart()
		check(when)
	}
	end := l.hostEnd("lt-web", lan)
	l.run("device", "remove", "lt-web", "lan")
	if rules := guardOf(t, end); rules != "" {
		t.Errorf("the rules of an interface that is gone are left: %s", rules)
	}
	if got := interfaces(l.container("lt-web").Observed.InitPID); !slices.Equal(got, []string{"back0", "eth0"}) || exec.Command("ping", "-c1", "-W1", lan.IPv4).Run() == nil {
		t.Errorf("after the removal: %v", got)
	}
	l.checkNIC("after the other went", "lt-web", back)
	if slices.Contains(l.heldAddresses(), lan.IPv4) {
		t.Errorf("%s is still held", lan.IPv4)
	}
	l.refusedNICs(first, back)
	l.nicInSpec(lan.IPv4)
	l.checkClean()
}

// refusedNICs are interfaces nobody may have.
func (l *lab) refusedNICs(first, back wire.NIC) {
	l.t.Helper()
	add := func(properties ...string) mutation {
		d := inventory.Device{Name: "no", Type: "nic", Properties: map[string]string{}}
		for _, p := range properties {
			key, value, _ := strings.Cut(p, "=")
			d.Properties[key] = value
		}
		return l.adding("lt-web", d)
	}
	l.refused(add("ip="+first.IPv4), inventory.ErrExists, first.IPv4)
	l.refused(add("ip="+back.IPv4), inventory.ErrExists, back.IPv4)
	l.refused(add("ip=192.0.2.1"), inventory.ErrInvalid, "outside")
	l.refused(add("ip="+l.gateway()), inventory.ErrInvalid, "gateway")
	l.refused(add("ip=fd00::1"), inventory.ErrInvalid)
	l.refused(add("network=none"), inventory.ErrNotFound, "none")
	l.refused(add("interface=back0"), inventory.ErrExists, "back0")
	l.refused(add("interface=eth0"), inventory.ErrInvalid, "eth0")
	l.refused(add("interface=a/b"), inventory.ErrInvalid)
	l.refused(add("interface=1234567890123456"), inventory.ErrInvalid)
	l.refused(add("nictype=physical"), inventory.ErrInvalid, "physical")
	l.exec("lt-web", "ip", "link", "add", "own0", "type", "dummy")
	if _, err := l.try(add("interface=own0")); err != nil && !strings.Contains(err.Error(), "own0") {
		l.t.Errorf("a name the container has taken itself: %v", err)
	}
	l.settle()
	if _, err := l.try(func() mutation { return l.removing("lt-web", "no") }()); err != nil && !strings.Contains(err.Error(), "no device no") {
		l.t.Error(err)
	}
}

// nicInSpec takes an interface through a spec, a clone, and back out.
func (l *lab) nicInSpec(free string) {
	l.t.Helper()
	file := filepath.Join(l.t.TempDir(), "nic.yaml")
	spec := "name: lt-two\nimage: tiny\npurpose: two legs\nowner: dev1\nenvironment: dev\ndisk: 64MiB\nmemory: 64MiB\ndevices:\n  back:\n    interface: back0\n    ip: " +
		free + "\n    type: nic\n  lan:\n    type: nic\n"
	l.must(os.WriteFile(file, []byte(spec), 0o644))
	l.run("apply", "-f", file)
	if n := l.nicOf("lt-two", "back"); n.IPv4 != free || n.Name != "back0" {
		l.t.Errorf("%+v, not at %s", n, free)
	}
	lan := l.nicOf("lt-two", "lan")
	l.checkNIC("from a spec", "lt-two", lan)
	l.unchangedBy(file)
	l.run("clone", "lt-two", "lt-three")
	l.run("start", "lt-three")
	l.checkNIC("a clone's", "lt-three", l.nicOf("lt-three", "lan"))
	if n := l.nicOf("lt-three", "back"); n.IPv4 == free || n.Pinned || n.Name != "back0" {
		l.t.Errorf("the clone has %+v", n)
	}
	l.must(os.WriteFile(file, []byte(strings.Replace(spec, "  lan:\n    type: nic\n", "", 1)), 0o644))
	l.run("apply", "-f", file, "--yes")
	if got := interfaces(l.init("lt-two")); !slices.Equal(got, []string{"back0", "eth0"}) {
		l.t.Errorf("after the spec left one out: %v", got)
	}
	l.unchangedBy(file)
}

func (l *lab) init(name string) int { l.t.Helper(); return l.container(name).Observed.InitPID }

// reboot has the container reboot itself and waits until it is back.
func (l *lab) reboot(name string) {
	l.t.Helper()
	pid := l.init(name)
	l.tryExec(name, "reboot", "-f")
	l.await("a new init", func() bool {
		c := l.container(name)
		return c.State == inventory.StateRunning && c.Observed.InitPID != pid
	})
}

// rebootUnseen reboots a container by its own reboot(8) while no agent runs.
func (l *lab) rebootUnseen(pid int) {
	l.t.Helper()
	exec.Command("nsenter", "-t", fmt.Sprint(pid), "-U", "-p", "-m", "-r", "-S0", "-G0", "/bin/reboot", "-f").Run()
	l.await("the old init is gone", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return err != nil
	})
}

func (l *lab) removing(name, device string) mutation {
	return power(func(ctx context.Context, ref inventory.Ref, o client.Options) (client.Answer, error) {
		return l.api.RemoveDevice(ctx, ref, device, o)
	}, name)
}

// next is the address after another of the same hundred.
func next(ip string) string {
	at := strings.LastIndex(ip, ".") + 1
	n := 0
	fmt.Sscan(ip[at:], &n)
	return fmt.Sprint(ip[:at], n+1)
}

// TestInterfaceIsRemade: interfaces that somebody deletes on the host while their container runs are there
// again, as they were and held to the same, as after a reboot that no agent saw.
func TestInterfaceIsRemade(t *testing.T) {
	l := newLab(t)
	l.do(l.makingNetwork(inventory.NetworkArgs{Name: "routed", Type: "routed", IPv4: "10.242.7.1/24", IPv6: "fd42:8::1/64"}))
	l.launch("lt-web")
	l.do(l.create(on("lt-rt", "routed"), true))
	l.do(l.addingNIC("lt-web", "lan"))
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"network.in": "20MiB", "network.out": "30MiB"}}))
	web, rt, pid := l.container("lt-web"), l.container("lt-rt"), l.init("lt-web")
	check := func(when string) {
		t.Helper()
		for _, c := range []wire.Container{web, rt} {
			for _, nic := range c.NICs {
				l.await(when+": "+nic.Host+" is back", func() bool {
					return exec.Command("ping", "-c1", "-W1", nic.IPv4).Run() == nil && exec.Command("ping", "-c1", "-W1", nic.IPv6).Run() == nil
				})
				if out, _ := l.exec(c.Name, "ip", "addr", "show", nic.Name); !strings.Contains(out, nic.MAC) {
					t.Errorf("%s: %s", when, out)
				}
				if guard := guardOf(t, nic.Host); !strings.Contains(guard, nic.MAC) {
					t.Errorf("%s: %s is guarded by %q", when, nic.Host, guard)
				}
				if c.Name == "lt-web" {
					l.await(when+": "+nic.Host+" is bounded", func() bool { return tokenBucket(nic.Host) && rateTable(nic.Host) })
				}
			}
		}
		l.checkNIC(when, "lt-web", l.nicOf("lt-web", "lan"))
		if out, _ := l.exec("lt-rt", "ip", "route"); !strings.Contains(out, "default via 169.254.0.1 dev eth0") {
			t.Errorf("%s: the routes are %s", when, out)
		}
	}
	check("at first")
	for _, nic := range append(slices.Clone(web.NICs), rt.NICs...) {
		ip(t, "link", "del", nic.Host)
	}
	check("deleted on the host")
	if l.init("lt-web") != pid {
		t.Error("it was started again")
	}
	l.reboot("lt-web")
	check("after its reboot")
	pid = l.init("lt-web")
	l.stop()
	l.rebootUnseen(pid)
	l.start()
	check("after a reboot without an agent")
	told := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for e, err := range l.api.Events(ctx, client.EventQuery{Type: "network.repaired"}) {
		l.must(err)
		for _, nic := range append(slices.Clone(web.NICs), rt.NICs...) {
			told[nic.Host] = told[nic.Host] || strings.Contains(string(e.Data), nic.Host)
		}
		if len(told) == 3 && !slices.Contains(slices.Collect(maps.Values(told)), false) {
			break
		}
	}
	if len(told) < 3 {
		t.Errorf("what was told: %v", told)
	}
	for _, name := range []string{"lt-web", "lt-rt"} {
		l.do(power(l.api.Purge, name))
	}
	l.checkClean()
}
