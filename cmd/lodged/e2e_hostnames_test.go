package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/packaging/need"
)

// unpackedFor is where packaging/deps puts programs that this host must not have installed.
const unpackedFor = "/var/cache/lodge-test/resolved"

// resolvedProgram is the host's systemd-resolved, or the one that was unpacked for the tests.
func resolvedProgram(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"", unpackedFor} {
		for _, dir := range []string{"/lib/systemd/", "/usr/lib/systemd/"} {
			if path := root + dir + "systemd-resolved"; exists(path) {
				return path
			}
		}
	}
	need.That(t, false, "systemd-resolved, which packaging/deps unpacks")
	return ""
}

// resolvedUser is who it runs as.
const resolvedUser = "systemd-resolve"

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="*"/><allow receive_type="*"/>
<allow send_destination="*"/><allow eavesdrop="false"/></policy></busconfig>`

// A nameService is a systemd-resolved on a bus of its own, asked by the programs of the tests' namespaces.
type nameService struct {
	*lab
	program string
	cmd     *exec.Cmd
}

func (l *lab) startNameService(t *testing.T) *nameService {
	t.Helper()
	need.Programs(t, "dbus-daemon", "busctl")
	n := &nameService{lab: l, program: resolvedProgram(t)}
	for _, dir := range []string{"/run/dbus", "/run/systemd"} {
		made := os.Mkdir(dir, 0o755) == nil
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			syscall.Unmount(dir, syscall.MNT_DETACH)
			if made {
				os.Remove(dir)
			}
		})
	}
	if _, err := user.Lookup(resolvedUser); err != nil {
		n.write("/etc/passwd", true, resolvedUser+":x:65533:65533::/:/usr/sbin/nologin\n")
		n.write("/etc/group", true, resolvedUser+":x:65533:\n")
	}
	n.write("/etc/resolv.conf", false, "nameserver 127.0.0.53\noptions edns0 trust-ad\n")
	n.write("/etc/nsswitch.conf", false, "passwd: files\ngroup: files\nhosts: files dns\n")
	config := filepath.Join(t.TempDir(), "bus.conf")
	n.write(config, false, busConfig)
	bus := exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+config)
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Process.Kill(); bus.Wait() })
	l.await("the bus answers", func() bool {
		c, err := net.Dial("unix", "/run/dbus/system_bus_socket")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	n.start()
	t.Cleanup(n.stop)
	return n
}

// write replaces a file or adds to it; the file is as before when the test ends.
func (n *nameService) write(path string, add bool, text string) {
	n.t.Helper()
	was, err := os.ReadFile(path)
	if err == nil {
		n.t.Cleanup(func() { os.WriteFile(path, was, 0o644) })
	}
	if add {
		text = strings.TrimRight(string(was), "\n") + "\n" + text
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nameService) start() {
	n.t.Helper()
	os.MkdirAll("/run/systemd/resolve", 0o755)
	if out, err := exec.Command("chown", resolvedUser+":", "/run/systemd/resolve").CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %s", err, out)
	}
	n.cmd = exec.Command(n.program)
	n.cmd.Stderr = os.Stderr
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.await("systemd-resolved answers", func() bool {
		_, err := os.Stat("/run/systemd/resolve/io.systemd.Resolve")
		return err == nil && exec.Command("busctl", "status", "org.freedesktop.resolve1").Run() == nil
	})
}

func (n *nameService) stop() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
	os.RemoveAll("/run/systemd/resolve")
}

func (l *lab) bridge() string {
	l.t.Helper()
	all, err := l.api.Networks(l.t.Context())
	l.must(err)
	return all[0].Bridge
}

// lookUp is what a program of the host learns: the addresses of a name, or the name of an address.
func lookUp(what string) string {
	if net.ParseIP(what) != nil {
		out, _ := exec.Command("getent", "hosts", what).Output()
		if f := strings.Fields(string(out)); len(f) > 1 {
			return f[1]
		}
		return ""
	}
	out, _ := exec.Command("getent", "ahostsv4", what).Output()
	f := strings.Fields(string(out) + " ")
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

// TestHostNames: the programs of the host know the containers' names, by systemd-resolved and by the hosts
// file, follow what happens to them, and know nothing any more when the agent was taken down.
func TestHostNames(t *testing.T) {
	l := newLab(t)
	service := l.startNameService(t)
	for _, way := range []string{"resolved", "hosts"} {
		t.Run(way, func(t *testing.T) {
			knows := func(what, want string) {
				t.Helper()
				l.await(fmt.Sprintf("%s is %q", what, want), func() bool { return lookUp(what) == want })
			}
			l.run("config", "set", "dns.host="+way)
			web, www := "hn-"+way, "hn-www-"+way
			l.do(l.create(tiny(web), false)) // as long as nothing runs on it, a bridge has no carrier
			ip := l.container(web).NICs[0].IPv4
			knows(web+".lodge.internal", ip)
			knows(ip, web+".lodge.internal")
			inFile := func() bool { text, _ := os.ReadFile("/etc/hosts"); return strings.Contains(string(text), l.root) }
			running := "hn-runs-" + way
			l.do(l.create(tiny(running), true))
			l.await("the file has the names if nothing else does", func() bool { return inFile() == (way == "hosts") })
			knows(ip, web+".lodge.internal")
			l.run("rename", web, www)
			knows(www+".lodge.internal", ip)
			knows(web+".lodge.internal", "")
			l.run("delete", www, "--yes")
			knows(www+".lodge.internal", "")
			l.run("trash", "restore", www)
			knows(www+".default.lodge.internal", ip)
			if way == "resolved" {
				bridge, err := net.InterfaceByName(l.bridge())
				l.must(err)
				service.stop()
				service.start()
				knows(www+".lodge.internal", ip)
				if out, err := exec.Command("busctl", "call", "org.freedesktop.resolve1", "/org/freedesktop/resolve1",
					"org.freedesktop.resolve1.Manager", "RevertLink", "i", fmt.Sprint(bridge.Index)).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				knows(www+".lodge.internal", ip)
			}
			l.run("kill", running)
			l.await("the file has the names", inFile)
			knows(www+".lodge.internal", ip)
			if out := l.run("host", "show", "-o", "json"); !strings.Contains(out, `"names": "`+way+`"`) {
				t.Errorf("the host is\n%s", out)
			}
			l.stop()
			knows(www+".lodge.internal", ip) // the role goes on without an agent
			if out, err := exec.Command(l.lodged(), "release", "--config", l.config).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			knows(www+".lodge.internal", "")
			if inFile() {
				t.Error("the hosts file still has names")
			}
			l.start()
			knows(www+".lodge.internal", ip)
		})
	}
	l.run("config", "set", "dns.host=auto") // this agent is not the host's own
	l.await("the host knows nothing", func() bool { return lookUp("hn-www-hosts.lodge.internal") == "" })
}
