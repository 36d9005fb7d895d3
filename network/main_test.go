package network_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
	"lodge/network/forgetest"
	"lodge/packaging/need"
)

// The tests run in namespaces of their own. Network: bridges, rules, sysctls and port 53 in it are
// not the host's, and no packet leaves it. Processes: roles outlive their agents by design, but not
// the first process of the namespace, so a crashed run leaves nothing behind at all.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if tool, ok := tools[os.Args[1]]; ok {
			os.Exit(tool(os.Args[2:]))
		}
	}
	if os.Getuid() == 0 && os.Getenv("LODGETEST_NETNS") == "" {
		os.Exit(rerun())
	}
	if os.Getenv("LODGETEST_NETNS") != "" {
		// /proc has to show the processes of this namespace, and must not do so outside.
		if err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			syscall.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func rerun() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "LODGETEST_NETNS=1")
	// The signal comes with the death of this thread, which therefore has to stay.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	case errors.Is(err, syscall.EPERM):
		fmt.Fprintln(os.Stderr, "no network namespace may be made here:", err)
		if os.Getenv("LODGE_REQUIRE") == "" {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// requireRoot skips a test where a network can't be built, unless everything has to be tested.
func requireRoot(t testing.TB, programs ...string) {
	t.Helper()
	need.Root(t)
	need.Programs(t, programs...)
}

// Programs the tests run as processes of their own, some of them in other namespaces.
var tools = map[string]func(args []string) int{
	"net":               network.RunRole,
	"lodgetest-agent":   fakeAgent,
	"lodgetest-change":  changingAgent,
	"lodgetest-hello":   helloTool,
	"lodgetest-listen":  listenTool,
	"lodgetest-connect": connectTool,
	"lodgetest-forge":   forgetest.Run,
}

// listenTool answers every connection, and after udp/ every datagram, with the address it came from, and
// the port it came to.
func listenTool(args []string) int {
	if at, ok := strings.CutPrefix(args[0], "udp/"); ok {
		return listenDatagrams(at)
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprint(c, c.RemoteAddr(), " ", c.LocalAddr().(*net.TCPAddr).Port)
		c.Close()
	}
}

func listenDatagrams(at string) int {
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for buf := make([]byte, 100); ; {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return 1
		}
		c.WriteTo(fmt.Append(nil, from, " ", c.LocalAddr().(*net.UDPAddr).Port), from)
	}
}

func connectTool(args []string) int {
	kind, at, ok := strings.Cut(args[0], "/")
	if !ok {
		kind, at = "tcp", args[0]
	}
	c, err := net.DialTimeout(kind, at, time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if kind == "udp" {
		buf := make([]byte, 100)
		c.SetDeadline(time.Now().Add(time.Second))
		n, err := c.Write([]byte("?"))
		if err == nil {
			n, err = c.Read(buf)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		os.Stdout.Write(buf[:n])
		return 0
	}
	seen, err := io.ReadAll(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Stdout.Write(seen)
	return 0
}

// fakeAgent publishes one container, says so, and waits to be killed: fakeAgent ROOT BRIDGE NAME.
func fakeAgent(args []string) int {
	s := network.New(network.Config{Root: args[0], SelfExe: "/proc/self/exe", Version: "1", RoleID: testRoleID,
		ResolvConf: filepath.Join(args[0], "resolv.conf"), HostsFile: filepath.Join(args[0], "hosts"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	ctx := context.Background()
	err := errors.Join(s.Ensure(ctx, testNetwork(args[1])), s.StartRole(ctx),
		s.Publish(ctx, []inventory.Container{testContainer(args[2], "10.86.7.2")}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	select {}
}

const testRoleID = 1_900_000_000

func testNetwork(bridge string) inventory.Network {
	return inventory.Network{Name: "test", Bridge: bridge, NAT: true,
		IPv4: netip.MustParsePrefix("10.86.7.1/24"), IPv6: netip.MustParsePrefix("fd4c:86:7::1/64")}
}

func testContainer(name, ip string) inventory.Container {
	a := netip.MustParseAddr(ip)
	plan := network.PlanFor(testNetwork("x"))
	return inventory.Container{Name: name, Project: inventory.DefaultProject,
		NICs: []inventory.NIC{{Network: "test", Name: "eth0", IPv4: a, IPv6: plan.IPv6For(a)}}}
}

// command runs a program and returns its trimmed output.
func command(t testing.TB, args ...string) string {
	t.Helper()
	out, err := try(args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func try(args ...string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
