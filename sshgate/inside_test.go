package sshgate_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
)

// TestContainerMadeAnewUnderItsName: who signed in to a container has no way into the one that was made
// under its name meanwhile, and no session of it.
func TestContainerMadeAnewUnderItsName(t *testing.T) {
	l := newLab(t)
	c := l.dial("web1")
	l.anew.Store(true)
	s, err := c.NewSession()
	sessiontest.Must(t, err)
	var errs bytes.Buffer
	s.Stderr = &errs
	if out, err := s.Output("id"); len(out) > 0 || err == nil || !strings.Contains(errs.String(), "there is no container") {
		t.Errorf("%q, %q, %v", out, errs.String(), err)
	}
	if conn, err := c.Dial("tcp", "127.0.0.1:22"); err == nil {
		conn.Close()
		t.Error("a forward reaches the successor")
	}
	for _, r := range l.world.Records() {
		if strings.Contains(r.Subject, string(anewID)) {
			t.Errorf("%s %s is on record", r.Verb, r.Subject)
		}
	}
	fresh, err := l.dial("web1").NewSession() // the name itself is good
	sessiontest.Must(t, err)
	if out, err := fresh.Output("echo hi"); string(out) != "hi\n" {
		t.Errorf("%q, %v", out, err)
	}
	var subjects []string
	for _, r := range l.world.Records() {
		subjects = append(subjects, r.Subject)
	}
	if last := subjects[len(subjects)-1]; !strings.Contains(strings.Join(subjects, " "), string(anewID)) {
		t.Errorf("a new connection is to %s", last)
	}
}

// TestForwardsStayInside: a forward is the container's own connection, so what the host has on its
// loopback, bridges and link-local addresses is not there, and neither are its sockets.
func TestForwardsStayInside(t *testing.T) {
	need.Program(t, "ip")
	l := newLab(t)
	bridge := "lt" + inventory.NewID(time.Now())[26:]
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ip("link", "add", bridge, "type", "bridge")
	t.Cleanup(func() { exec.Command("ip", "link", "del", bridge).Run() })
	ip("addr", "add", "169.254.77.7/32", "dev", bridge)
	ip("addr", "add", "10.213.77.1/32", "dev", bridge)
	ip("link", "set", bridge, "up")
	host, err := net.Listen("tcp", ":0")
	sessiontest.Must(t, err)
	t.Cleanup(func() { host.Close() })
	var came atomic.Int32
	go func() {
		for {
			conn, err := host.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			io.WriteString(conn, "host\n")
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(host.Addr().String())
	c := l.dial("web1")
	targets := []string{"127.0.0.1", "localhost", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "127.1.2.3", "169.254.77.7", "10.213.77.1"}
	for _, target := range targets {
		at := net.JoinHostPort(target, port)
		own, err := net.Dial("tcp", at)
		sessiontest.Must(t, err) // the host gets there, or it proves nothing
		own.Close()
	}
	for range 500 { // those are counted when they are accepted
		if int(came.Load()) == len(targets) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	reach := func(target string) string {
		conn, err := c.Dial("tcp", net.JoinHostPort(target, port))
		if err != nil {
			return ""
		}
		defer conn.Close()
		line, _ := io.ReadAll(conn)
		return string(line)
	}
	for _, target := range targets {
		if got := reach(target); got != "" {
			t.Errorf("%s answers %q", target, got)
		}
	}
	l.world.Box.Inside(t, "sh", "-c", fmt.Sprintf("ip link set lo up; (while :; do echo inside | nc -l -p %s; done) >/dev/null 2>&1 &", port))
	if got := reach("127.0.0.1"); got != "inside\n" {
		t.Errorf("the container's own loopback answers %q", got)
	}
	if n := int(came.Load()); n != len(targets) {
		t.Errorf("%d connections came to the host", n-len(targets))
	}
	path := filepath.Join(l.dir, "host.sock")
	socket, err := net.Listen("unix", path)
	sessiontest.Must(t, err)
	defer socket.Close()
	if conn, err := c.Dial("unix", path); err == nil {
		conn.Close()
		t.Error("a socket of the host is reached")
	}
}

// watch is what root of the container runs beside: any descriptor beyond 2 it can see of what is neither
// its own nor init's, until its mark is gone.
const watch = `while [ -e /tmp/watch ]; do for p in /proc/[0-9]*; do
	[ $p = /proc/1 ] || [ $p = /proc/$$ ] && continue
	for n in 4 5 6 7 8 9 10 11 12 13 14 15 16; do [ -L $p/fd/$n ] && echo $p $n $(readlink $p/fd/$n) >> /tmp/seen; done
done; done`

// look says which descriptors beyond 2 a command was given.
const look = `n=3; while [ $n -lt 200 ]; do [ -L /proc/self/fd/$n ] && echo $n $(readlink /proc/self/fd/$n); n=$((n+1)); done; echo looked`

// TestNoDescriptorOfTheHost: no command in a container has a descriptor beyond 0 to 2, and root in it sees
// none in what enters, however often, but 3: the pipe by which a failed exec is told, while Linux is about
// to close it. LODGE_LONG makes it 1 000 times.
func TestNoDescriptorOfTheHost(t *testing.T) {
	l := newLabOf(t, shipped(t))
	sessiontest.Must(t, os.WriteFile(filepath.Join(l.world.Box.Rootfs, "tmp/watch"), []byte(watch), 0o644))
	l.world.Box.Inside(t, "sh", "-c", "setsid sh /tmp/watch </dev/null >/dev/null 2>&1 &")
	c := l.dial("root+web1")
	times := 100
	if os.Getenv("LODGE_LONG") == "1" {
		times = 1000
	}
	for n := range times {
		s, err := c.NewSession()
		sessiontest.Must(t, err)
		if n%2 == 1 {
			sessiontest.Must(t, s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
		}
		out, err := s.Output(look)
		if strings.TrimSpace(string(out)) != "looked" || err != nil {
			t.Fatalf("the %dth: %q, %v", n, out, err)
		}
	}
	sessiontest.Must(t, os.Remove(filepath.Join(l.world.Box.Rootfs, "tmp/watch")))
	if seen, _ := os.ReadFile(filepath.Join(l.world.Box.Rootfs, "tmp/seen")); len(seen) > 0 {
		t.Errorf("root of the container saw\n%s", seen)
	}
}
