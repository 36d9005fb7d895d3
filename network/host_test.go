package network_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network"
)

// A host is a network namespace with a link to the one the tests run in.
type host struct {
	t   testing.TB
	pid string
}

// newHost makes a namespace that lives as long as this process.
func newHost(t testing.TB) *host {
	t.Helper()
	// cat ends when our end of its pipe does, however we die.
	cmd := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up && echo ready && exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("no namespace: %q %v", line, err)
	}
	return &host{t, strconv.Itoa(cmd.Process.Pid)}
}

func (h *host) in(args ...string) []string {
	return append([]string{"nsenter", "-t", h.pid, "-n"}, args...)
}

func (h *host) run(args ...string) string { h.t.Helper(); return command(h.t, h.in(args...)...) }

// plug puts a cable between h and the test's namespace and returns the name of our end.
func (h *host) plug(addrs ...string) string {
	h.t.Helper()
	name := randomName()
	command(h.t, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", h.pid)
	h.t.Cleanup(func() { try("ip", "link", "del", name) })
	command(h.t, "ip", "link", "set", name, "up")
	h.run("ip", "link", "set", "eth0", "up")
	for _, a := range addrs {
		args := []string{"ip", "addr", "add", a, "dev", "eth0"}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		h.run(args...)
	}
	return name
}

// newGuest makes a host on the bridge as a container would be.
func newGuest(t testing.TB, n inventory.Network, number int) *host {
	t.Helper()
	h := newHost(t)
	v4 := fmt.Sprintf("10.86.7.%d", number)
	port := h.plug(v4+"/24", fmt.Sprintf("fd4c:86:7::%x/64", number))
	command(t, "ip", "link", "set", port, "master", n.Bridge)
	h.run("ip", "route", "add", "default", "via", n.IPv4.Addr().String())
	h.run("ip", "-6", "route", "add", "default", "via", n.IPv6.Addr().String())
	return h
}

// listen starts an echo of addresses in h.
func (h *host) listen(addr string) {
	h.t.Helper()
	startTool(h.t, h.in("/proc/self/exe", "lodgetest-listen", addr)...)
}

// connect returns how the other end sees h.
func (h *host) connect(addr string) (string, error) {
	return try(h.in(os.Args[0], "lodgetest-connect", addr)...)
}

// startTool runs a tool of TestMain until the test ends and returns when it is ready.
func startTool(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	for i := range args {
		if args[i] == "/proc/self/exe" {
			args[i] = os.Args[0]
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%v is not ready: %q %v", args, line, err)
	}
	return cmd
}

// startSniff starts a sniffer; what it returns waits for its end and says what it saw.
func startSniff(t testing.TB, args ...string) (seen func() []string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(pipe)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("%v is not ready: %q", args, lines.Text())
	}
	return func() (out []string) {
		for lines.Scan() {
			out = append(out, lines.Text())
		}
		return out
	}
}

func randomName() string {
	var raw [3]byte
	rand.Read(raw[:])
	return "lodgetest" + hex.EncodeToString(raw[:])
}

// setup makes a service with its network up and its role running.
func setup(t testing.TB) (*network.Service, inventory.Network) {
	t.Helper()
	requireRoot(t, "ip", "nft", "nsenter", "unshare", "dig")
	command(t, "ip", "link", "set", "lo", "up")
	root := t.TempDir()
	s := newService(root, "1")
	roots[s] = root
	n := testNetwork(randomName())
	ctx := context.Background()
	t.Cleanup(func() {
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := s.Remove(ctx, n); err != nil {
			t.Errorf("remove: %v", err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(root, "run/net.log"))
			t.Logf("the role said:\n%s", log)
		}
	})
	if err := s.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := s.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	return s, n
}

// roots remembers where a service of setup keeps its files.
var roots = map[*network.Service]string{}

// estates are what the services of each root compile; every project lets its own reach each other unless
// a test says else.
var estates = map[string]*network.Estate{}

func estateOf(root string) *network.Estate {
	if estates[root] == nil {
		estates[root] = &network.Estate{Within: func(string) bool { return true }}
	}
	return estates[root]
}

// letMeet makes containers of one project of those addresses.
func letMeet(t testing.TB, s *network.Service, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		c := testContainer("at-"+a, a)
		estateOf(rootOf(s)).Containers = append(estateOf(rootOf(s)).Containers, &c)
	}
	if err := s.ApplyRules(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func rootOf(s *network.Service) string { return roots[s] }

// startRole starts a role that no service knows of.
func startRole(t testing.TB, control, version string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "net", "--control", control, "--version", version, "--uid", strconv.Itoa(testRoleID))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitFor(t, "a role on "+control, func() bool {
		_, err := os.Stat(control)
		return err == nil
	})
	return cmd
}

func newService(root, version string) *network.Service {
	return network.New(network.Config{Root: root, SelfExe: os.Args[0], Version: version, RoleID: testRoleID,
		Estate:     func(context.Context) (network.Estate, error) { return *estateOf(root), nil },
		ResolvConf: filepath.Join(root, "resolv.conf"), HostsFile: filepath.Join(root, "hosts"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
}
