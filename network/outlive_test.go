package network_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"lodge/inventory"
	"lodge/network/role"
)

// ask keeps asking for a name until stop is called, which returns how many questions were answered
// rightly and the first that was not.
func ask(t *testing.T, name, want string) (stop func() (int64, error)) {
	t.Helper()
	var answered atomic.Int64
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		client := &dns.Client{Timeout: time.Second}
		for {
			m := new(dns.Msg).SetQuestion(name, dns.TypeA)
			r, _, err := client.Exchange(m, "10.86.7.1:53")
			if err == nil && (len(r.Answer) != 1 || r.Answer[0].(*dns.A).A.String() != want) {
				err = fmt.Errorf("answered %v", r)
			}
			if err != nil {
				failed <- err
				return
			}
			answered.Add(1)
			select {
			case <-done:
				failed <- nil
				return
			default:
			}
		}
	}()
	return func() (int64, error) { close(done); return answered.Load(), <-failed }
}

func rolePID(t testing.TB, root string) int {
	t.Helper()
	c, err := role.Dial(context.Background(), filepath.Join(root, "run/net.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Info().PID
}

// The agent is killed at an instant it can't know: names go on, and the next agent adopts the role.
func TestNamesOutliveTheAgent(t *testing.T) {
	requireRoot(t, "ip", "nft")
	command(t, "ip", "link", "set", "lo", "up")
	root, bridge, ctx := t.TempDir(), randomName(), context.Background()
	next := newService(root, "1")
	t.Cleanup(func() { next.Stop(ctx); next.Remove(ctx, testNetwork(bridge)) })
	agent := startTool(t, "/proc/self/exe", "lodgetest-agent", root, bridge, "web1")
	before := rolePID(t, root)
	stop := ask(t, "web1.lodge.internal.", "10.86.7.2")
	agent.Process.Signal(syscall.SIGKILL)
	agent.Wait()
	for range 20 { // some questions with no agent at all
		try("dig", "+short", "@10.86.7.1", "web1.lodge.internal")
	}
	if err := next.Ensure(ctx, testNetwork(bridge)); err != nil {
		t.Fatal(err)
	}
	adopted, err := next.AdoptRole(ctx)
	if err != nil || !adopted {
		t.Fatalf("adopted %v, %v", adopted, err)
	}
	n, err := stop()
	if err != nil {
		t.Fatalf("after %d answers: %v", n, err)
	}
	if now := rolePID(t, root); now != before {
		t.Errorf("the role is process %d and was %d", now, before)
	}
	if err := next.Publish(ctx, []inventory.Container{testContainer("web2", "10.86.7.4")}); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "dig", "+short", "@10.86.7.1", "web2.lodge.internal"); got != "10.86.7.4" {
		t.Errorf("web2 is %q", got)
	}
	if got := command(t, "dig", "+noall", "+comments", "@10.86.7.1", "web1.lodge.internal"); !strings.Contains(got, "NXDOMAIN") {
		t.Errorf("web1 still exists: %s", got)
	}
}

// An agent of another version replaces the role, and no question is lost on the way.
func TestReplaceLosesNoQuestion(t *testing.T) {
	old, n := setup(t)
	ctx := context.Background()
	web := []inventory.Container{testContainer("web1", "10.86.7.2")}
	if err := old.Publish(ctx, web); err != nil {
		t.Fatal(err)
	}
	root := rootOf(old)
	before := rolePID(t, root)
	stop := ask(t, "web1.lodge.internal.", "10.86.7.2")
	old.Close()
	for _, version := range []string{"2", "3", "4"} {
		s := newService(root, version)
		if err := s.Ensure(ctx, n); err != nil {
			t.Fatal(err)
		}
		if adopted, err := s.AdoptRole(ctx); adopted || err != nil {
			t.Fatalf("adopted %v, %v", adopted, err)
		}
		if err := s.StartRole(ctx); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	if answers, err := stop(); err != nil {
		t.Fatalf("after %d answers: %v", answers, err)
	}
	if now := rolePID(t, root); now == before {
		t.Error("the role was not replaced")
	}
	if _, err := os.Stat(filepath.Join(root, "run/net.sock.new")); !os.IsNotExist(err) {
		t.Errorf("net.sock.new is left: %v", err)
	}
}

// A crash of the agent in the middle of a replacement leaves two roles; the next agent ends with one.
func TestReplaceAfterACrash(t *testing.T) {
	s, n := setup(t)
	ctx := context.Background()
	root := rootOf(s)
	s.Close()
	path := filepath.Join(root, "run/net.sock")
	// The new one was started and the old one not yet ended.
	half := startRole(t, path+".new", "2")
	next := newService(root, "2")
	if err := next.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := next.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	half.Wait()
	next.Close()
	// The old one was ended and the new one not yet renamed.
	if err := os.Rename(path, path+".new"); err != nil {
		t.Fatal(err)
	}
	next = newService(root, "2")
	if err := next.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := next.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Publish(ctx, []inventory.Container{testContainer("web1", "10.86.7.2")}); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "dig", "+short", "@10.86.7.1", "web1.lodge.internal"); got != "10.86.7.2" {
		t.Errorf("web1 is %q", got)
	}
}

// A role that dies is started again with the last names; one that hangs is replaced.
func TestRoleComesBack(t *testing.T) {
	s, n := setup(t)
	ctx := context.Background()
	if err := s.Publish(ctx, []inventory.Container{testContainer("web1", "10.86.7.2")}); err != nil {
		t.Fatal(err)
	}
	root := rootOf(s)
	first := rolePID(t, root)
	syscall.Kill(first, syscall.SIGKILL)
	waitFor(t, "a new role", func() bool {
		got, err := try("dig", "+short", "+tries=1", "+time=1", "@10.86.7.1", "web1.lodge.internal")
		return err == nil && got == "10.86.7.2"
	})
	s.Close()
	second := rolePID(t, root)
	syscall.Kill(second, syscall.SIGSTOP)
	next := newService(root, "1")
	if err := next.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := next.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if third := rolePID(t, root); third == second {
		t.Error("the role that hung is still there")
	}
	if got := command(t, "dig", "+short", "@10.86.7.1", "web1.lodge.internal"); got != "10.86.7.2" {
		t.Errorf("web1 is %q", got)
	}
}

// The role has no privilege left, and turns away callers that aren't root.
func TestRoleIsConfined(t *testing.T) {
	s, _ := setup(t)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", rolePID(t, rootOf(s))))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t1900000000\t1900000000\t1900000000\t1900000000", "Gid:\t1900000000\t",
		"Groups:\t \n", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in its status:\n%s", want, status)
		}
	}
	path := filepath.Join(rootOf(s), "run/net.sock")
	for dir := path; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o777)
	}
	out, err := try("setpriv", "--reuid", "12345", "--clear-groups", os.Args[0], "lodgetest-hello", path)
	if err == nil {
		t.Errorf("a caller that isn't root was answered: %s", out)
	}
	if out, err = try(os.Args[0], "lodgetest-hello", path); err != nil {
		t.Errorf("root was not answered: %s", out)
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come", what)
}

func helloTool(args []string) int {
	c, err := role.Dial(context.Background(), args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c.Close()
	return 0
}
