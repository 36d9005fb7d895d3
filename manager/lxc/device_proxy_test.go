package lxc_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// freePort is one of the host's that nobody has just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func greet(network, address string) string {
	c, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c, "hello")
	if t, ok := c.(*net.TCPConn); ok {
		t.CloseWrite()
		text, _ := io.ReadAll(c)
		return string(text)
	}
	buffer := make([]byte, 10)
	n, _ := c.Read(buffer)
	return string(buffer[:n])
}

// Ports lead into the container and out of it, from the moment the device is there, past the agent's end,
// again after a start, and no more once it is gone. What passes them is nobody's process.
func TestProxy(t *testing.T) {
	b := newBench(t)
	boot := b.container("/bin/busybox ip link set lo up; "+waitForEver, nil)
	b.start(boot)
	b.echoInside(boot)
	tcp, udp, out := freePort(t), freePort(t), freePort(t)
	listener, err := net.Listen("tcp", "127.0.0.1:"+fmt.Sprint(out))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "outside")
			c.Close()
		}
	}()
	in := device("web", "proxy", fmt.Sprintf("listen=tcp:127.0.0.1:%d", tcp), "connect=tcp:127.0.0.1:80", "side=host")
	names := device("names", "proxy", fmt.Sprintf("listen=udp:127.0.0.1:%d", udp), "connect=udp:127.0.0.1:53", "side=host")
	way := device("out", "proxy", "listen=tcp:127.0.0.1:9000", fmt.Sprintf("connect=tcp:127.0.0.1:%d", out), "side=container")
	boot.Container.Devices = []inventory.Device{names, way, in}
	works := func(when string) {
		t.Helper()
		eventually(t, when+": what is inside answers", func() bool { return greet("tcp", fmt.Sprint("127.0.0.1:", tcp)) == "hello" })
		eventually(t, when+": packets are answered", func() bool { return greet("udp", fmt.Sprint("127.0.0.1:", udp)) == "hello" })
		if got, err := b.inside(boot, "/bin/busybox", "nc", "127.0.0.1", "9000"); got != "outside" {
			t.Errorf("%s: outside says %q, %v", when, got, err)
		}
	}
	for range 2 {
		for _, d := range boot.Container.Devices {
			if err := b.Attach(t.Context(), boot, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	works("attached")
	b.Close()
	b.Runtime = b.open(boot.Container)
	works("without its agent")
	for _, pid := range proxies(t, fmt.Sprint(tcp)) {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%s/status", pid))
		if !strings.Contains(string(status), "Uid:\t65534\t65534\t65534\t65534") || !strings.Contains(string(status), "CapEff:\t0000000000000000") {
			t.Errorf("the proxy runs as\n%s", status)
		}
	}
	if n := len(proxies(t, fmt.Sprint(tcp))); n != 1 {
		t.Errorf("there are %d processes for one proxy", n)
	}
	b.killProxies(boot, fmt.Sprint(tcp), works)
	if err := b.Kill(t.Context(), boot.Container); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ends with the container", func() bool { return len(proxies(t, fmt.Sprint(tcp))) == 0 })
	b.start(boot)
	b.echoInside(boot)
	works("at the start")
	if err := b.Detach(t.Context(), boot, in); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody listens", func() bool { return strings.Contains(greet("tcp", fmt.Sprint("127.0.0.1:", tcp)), "refused") })
}

// killProxies kills the proxy of a port, with and without an agent: it comes back, and it is shown.
func (b *bench) killProxies(boot inventory.Boot, port string, works func(when string)) {
	b.t.Helper()
	kill := func() {
		for _, pid := range proxies(b.t, port) {
			n, _ := strconv.Atoi(pid)
			unix.Kill(n, unix.SIGKILL)
		}
	}
	kill()
	works("killed")
	if got := b.Observe(boot.Container).Devices; got["web"].Restarts != 1 || !got["web"].RestartAt.IsZero() || len(got) != 1 {
		b.t.Errorf("after one was killed: %+v", got)
	}
	b.Close()
	kill()
	b.Runtime = b.open(boot.Container)
	works("killed without an agent")
	taken := proxies(b.t, port)
	kill()
	eventually(b.t, "its socket is free", func() bool { return len(proxies(b.t, port)) == 0 || proxies(b.t, port)[0] != taken[0] })
	works("killed again")
	if got := b.Observe(boot.Container).Devices["web"]; got.Restarts != 2 {
		b.t.Errorf("after it was killed again: %+v", got)
	}
}

// echoInside answers on port 80 and 53 of the container with what it is told.
func (b *bench) echoInside(boot inventory.Boot) {
	b.t.Helper()
	ready := make(chan error)
	go func() { // on a thread that stays in the container's network
		runtime.LockOSThread()
		fd, err := unix.PidfdOpen(b.Observe(boot.Container).InitPID, 0)
		if err == nil {
			defer unix.Close(fd)
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		if err != nil {
			ready <- err
			return
		}
		l, err := net.Listen("tcp", "127.0.0.1:80")
		p, err2 := net.ListenPacket("udp", "127.0.0.1:53")
		ready <- errors.Join(err, err2)
		if err != nil || err2 != nil {
			return
		}
		b.t.Cleanup(func() { l.Close(); p.Close() })
		go func() {
			buffer := make([]byte, 100)
			for {
				n, from, err := p.ReadFrom(buffer)
				if err != nil {
					return
				}
				p.WriteTo(buffer[:n], from)
			}
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	if err := <-ready; err != nil {
		b.t.Fatal(err)
	}
}

// proxies are the processes that serve a port.
func proxies(t *testing.T, port string) (pids []string) {
	t.Helper()
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if text := string(line); strings.Contains(text, "proxy\x00serve") && strings.Contains(text, ":"+port+"\x00") {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
