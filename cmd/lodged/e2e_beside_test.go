package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shapes are other firewalls as they stand in the kernel, and what lodge doctor says of each.
var shapes = []struct{ table, rules, says string }{
	{"ip filter", "table ip filter { chain DOCKER-USER { }; chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }; }",
		"iptables -I DOCKER-USER -i BRIDGE -j ACCEPT"},
	{"inet firewalld", "table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; reject with icmpx admin-prohibited; }; }",
		"--zone=trusted --add-interface=BRIDGE"},
	{"inet theirs", "table inet theirs { chain f { type filter hook forward priority 0; policy drop; }; }", "table inet theirs drops"},
}

// TestBesideFirewalls: lodge doctor says which firewall is in the way and what helps, and Lodge changes nothing
// of theirs. With LODGE_FIREWALLS, a folder of packaging/firewalls, Docker and firewalld are the true ones:
// after what doctor advises containers reach each other as the rules say, theirs are reached as ever, and so it
// is after each of them starts again and reloads.
func TestBesideFirewalls(t *testing.T) {
	l := newLab(t)
	bridge := l.bridge()
	for _, shape := range shapes {
		must(t, "nft", shape.rules)
		before := must(t, "nft", "-s", "list", "table", strings.Fields(shape.table)[0], strings.Fields(shape.table)[1])
		out, _ := l.lodge("doctor")
		if want := strings.ReplaceAll(shape.says, "BRIDGE", bridge); !strings.Contains(flat(out), want) {
			t.Errorf("beside table %s doctor does not say %q:\n%s", shape.table, want, out)
		}
		if after := must(t, "nft", "-s", "list", "table", strings.Fields(shape.table)[0], strings.Fields(shape.table)[1]); after != before {
			t.Errorf("table %s was changed to\n%s", shape.table, after)
		}
		must(t, "nft", "delete", "table", strings.Fields(shape.table)[0], strings.Fields(shape.table)[1])
	}
	if packages := os.Getenv("LODGE_FIREWALLS"); packages != "" {
		besideTheTrueOnes(t, l, packages)
	}
	l.purgeAll("")
	l.checkClean()
}

// flat is text without the breaks of a table's lines.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

func must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// A beside is an estate with other firewalls next to it.
type beside struct {
	*lab
	host        rootWith
	to, gateway string // an address that is listened on, and who answers names
}

func besideTheTrueOnes(t *testing.T, l *lab, packages string) {
	b := &beside{lab: l, host: unpackHost(t, packages)}
	l.project("lt-shop", nil)
	for _, name := range []string{"lt-one", "lt-two"} {
		l.launch(name)
	}
	args := tiny("lt-far")
	args.Project = "lt-shop"
	l.do(l.create(args, true))
	networks, err := l.api.Networks(t.Context())
	l.must(err)
	b.gateway, _, _ = strings.Cut(networks[0].IPv4, "/")
	b.to = l.container("lt-two").NICs[0].IPv4
	l.open("lt-two", "nc", "-ll", "-p", "5432", "-e", "echo", "hello")
	b.asRuled("alone")
	b.docker()
	b.firewalld()
}

func (b *beside) docker() {
	b.t.Helper()
	// Docker closes the forward chain only where it was it that turned forwarding on.
	must(b.t, "sysctl", "-w", "net.ipv4.ip_forward=0")
	dockerd := []string{"dockerd", "--storage-driver=vfs", "--live-restore", "--cgroup-parent=" + prefix + "docker"}
	docker := b.host.start("dockerd", "docker version", dockerd...)
	if b.reaches("lt-one") {
		b.t.Error("Docker drops nothing, and this test shows nothing")
	}
	b.advised("Docker")
	b.asRuled("beside Docker")
	theirs := b.host.serve()
	theirs("beside Lodge")
	docker.end()
	docker = b.host.start("dockerd", "docker version", dockerd...)
	b.asRuled("after Docker started again")
	theirs("after Docker started again")
	if left := b.advice(); len(left) > 0 {
		b.t.Errorf("doctor advises what was done: %q", left)
	}
	b.host.run("docker", "rm", "-f", "web")
	docker.end()
	for _, table := range []string{"filter", "nat"} { // which Docker leaves, and firewalld half
		must(b.t, "nft", "delete", "table", "ip", table)
	}
}

func (b *beside) firewalld() {
	b.t.Helper()
	b.host.start("dbus-daemon", "test -S /run/dbus/system_bus_socket", "dbus-daemon", "--system", "--nofork", "--nopidfile")
	fire := b.host.start("firewalld", "firewall-cmd --state", "firewalld", "--nofork", "--nopid")
	if b.resolves() {
		b.t.Error("firewalld rejects nothing, and this test shows nothing")
	}
	b.advised("firewalld")
	b.asRuled("beside firewalld")
	fire.end()
	b.host.start("firewalld", "firewall-cmd --state", "firewalld", "--nofork", "--nopid")
	b.asRuled("after firewalld started again")
	b.host.run("firewall-cmd", "--reload")
	b.asRuled("after firewalld reloaded")
	if left := b.advice(); len(left) > 0 || !b.resolves() {
		b.t.Errorf("doctor advises %q, and names are answered: %v", left, b.resolves())
	}
}

func (b *beside) reaches(from string) bool {
	out, _ := b.exec(from, "nc", "-w", "1", b.to, "5432")
	return strings.Contains(out, "hello")
}

func (b *beside) resolves() bool {
	out, _ := b.exec("lt-one", "nslookup", "lt-two.lodge.internal", b.gateway)
	return strings.Contains(out, b.to)
}

func (b *beside) asRuled(when string) {
	b.t.Helper()
	b.await(when+" a neighbour is reached", func() bool { return b.reaches("lt-one") })
	if b.reaches("lt-shop/lt-far") {
		b.t.Errorf("%s projects are not apart", when)
	}
}

// advice is what doctor advises about other firewalls; it fails for what else this host has not.
func (b *beside) advice() []string {
	b.t.Helper()
	lodge := filepath.Join(programs(b.t, "lodge"), "lodge")
	return adviceIn(b.host.run("sh", "-c", "LODGE_HOST=unix:"+b.socket()+" "+lodge+" doctor -o json || true"))
}

// advised does what doctor advises.
func (b *beside) advised(who string) {
	b.t.Helper()
	commands := b.advice()
	if len(commands) == 0 {
		b.t.Fatalf("doctor advises nothing beside %s", who)
	}
	for _, command := range commands {
		b.t.Logf("beside %s doctor advises %s", who, command)
		b.host.run("sh", "-c", command)
	}
}

// adviceIn are the commands doctor gives about other firewalls.
func adviceIn(text string) (commands []string) {
	var checks []struct{ Name, Advice string }
	_ = json.Unmarshal([]byte(text), &checks)
	for _, c := range checks {
		if c.Name == "other firewalls" {
			_, list, _ := strings.Cut(c.Advice, ": ")
			for command := range strings.SplitSeq(list, "; ") {
				if command != "" {
					commands = append(commands, command)
				}
			}
		}
	}
	return commands
}

// A rootWith is the host's own root with some packages unpacked into a layer above it; its programs are in
// the network and processes of the test.
type rootWith struct {
	t    testing.TB
	path string
}

func unpackHost(t testing.TB, packages string) rootWith {
	t.Helper()
	script := `set -e; mkdir -p "$0"; mount -t tmpfs -o mode=755 none "$0"; cd "$0"; mkdir root work upper upper/usr
	for dir in bin sbin lib lib64; do mkdir -p upper/usr/$dir; ln -s usr/$dir upper/$dir; done
	for deb in "$1"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C upper; done
	for name in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do ln -s xtables-nft-multi upper/usr/sbin/$name; done
	mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root
	for dir in proc sys dev; do mount --rbind /$dir root/$dir; done
	mount -t tmpfs none root/run; mount -t tmpfs none root/tmp; mkdir -p root/run/dbus root/var/lib/docker "root$2"; mount --rbind "$2" "root$2"`
	dir := filepath.Join(base, "beside")
	must(t, "sh", "-c", script, dir, packages, base)
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return rootWith{t, filepath.Join(dir, "root")}
}

func (r rootWith) run(args ...string) string {
	r.t.Helper()
	return must(r.t, append([]string{"chroot", r.path}, args...)...)
}

type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// start starts a daemon and waits until a command says that it is ready.
func (r rootWith) start(name, ready string, args ...string) daemon {
	r.t.Helper()
	log, err := os.OpenFile(filepath.Join(base, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("chroot", append([]string{r.path}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	d := daemon{cmd, make(chan struct{})}
	go func() { cmd.Wait(); close(d.done) }()
	r.t.Cleanup(d.end)
	for end := time.Now().Add(patience); exec.Command("chroot", r.path, "sh", "-c", ready).Run() != nil; time.Sleep(10 * tick) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			r.t.Fatalf("%s does not start: %s", name, text[max(0, len(text)-2000):])
		}
	}
	return d
}

func (d daemon) end() {
	d.cmd.Process.Signal(syscall.SIGTERM)
	<-d.done
}

// serve starts a container of Docker's, and returns what looks whether it is reached, by this host and by
// another of them.
func (r rootWith) serve() (look func(when string)) {
	r.t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		r.t.Fatal(err)
	}
	r.run("sh", "-c", "mkdir -p /tmp/image/bin && cp "+busybox+" /tmp/image/bin/busybox && echo theirs > /tmp/image/index.html && "+
		"tar -C /tmp/image -c . | docker import - theirs && docker run -d --name web theirs /bin/busybox httpd -f -p 80 -h /")
	address := strings.TrimSpace(r.run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"))
	r.t.Cleanup(func() { exec.Command("chroot", r.path, "docker", "rm", "-f", "web").Run() })
	return func(when string) {
		r.t.Helper()
		for _, command := range []string{"busybox wget -q -O - http://" + address + "/",
			"docker run --rm theirs /bin/busybox wget -q -O - http://" + address + "/"} {
			if out := r.run("sh", "-c", command); !strings.Contains(out, "theirs") {
				r.t.Errorf("%s: %s says %q", when, command, out)
			}
		}
	}
}
