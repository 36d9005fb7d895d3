package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// TestLife goes through what everybody does with a container: names, copies, snapshots, sizes, the
// trash.
func TestLife(t *testing.T) {
	l := newLab(t)
	l.running("lt-web")
	was := l.container("lt-web")
	if out, code := l.exec("lt-web", "hostname"); out != "lt-web\n" || code != 0 {
		t.Errorf("hostname says %q, %d", out, code)
	}

	l.do(power(l.api.Freeze, "lt-web"))
	if _, _, err := l.tryExec("lt-web", "true"); !errors.Is(err, inventory.ErrState) {
		t.Errorf("exec in a frozen container: %v", err)
	}
	l.do(power(l.api.Unfreeze, "lt-web"))

	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "96MiB"}}))
	if got := cgroupLimit(was.Observed.InitPID); got != fmt.Sprint(96<<20) {
		t.Errorf("the kernel's limit is %s after a resize to 96MiB", got)
	}

	l.do(l.snapping("lt-web", "good"))
	l.mark("lt-web", "spoiled")
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Clone(ctx, at("lt-web"), inventory.CloneArgs{Name: "lt-old", Snapshot: "good"}, client.Options{})
	})
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.RestoreSnapshot(ctx, at("lt-web"), "good", client.Options{})
	})
	w := l.world()
	if w["files lt-web"] != "markedlt-web" || w["files lt-old"] != "markedlt-old" || l.container("lt-web").State != inventory.StateRunning {
		t.Errorf("after restore and clone: %s", w.text())
	}
	if l.container("lt-old").NICs[0].IPv4 == was.NICs[0].IPv4 {
		t.Error("the clone has the address of the other")
	}

	if out, code := l.lodge("stop", "lt-web"); code != 0 {
		t.Fatalf("lodge stop: %d %s", code, out)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Rename(ctx, at("lt-web"), inventory.RenameArgs{Name: "lt-shop"}, client.Options{})
	})
	l.do(power(deleting(l), "lt-shop"))
	if _, err := l.try(l.create(tiny("lt-shop"), false)); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("the name of one in the trash: %v", err)
	}
	l.do(power(l.api.Restore, "lt-shop"))
	l.do(power(l.api.Start, "lt-shop"))
	now := l.container("lt-shop")
	if now.ID != was.ID || now.NICs[0] != was.NICs[0] {
		t.Errorf("it came back as %+v, was %+v", now.NICs, was.NICs)
	}
	if out, _ := l.exec("lt-shop", "hostname"); out != "lt-shop\n" {
		t.Errorf("hostname says %q", out)
	}
	l.checkClean()
	old := l.container("lt-old").ID
	l.do(power(l.api.Purge, "lt-shop"))
	l.do(power(l.api.Purge, "lt-old"))
	l.checkClean()
	l.same("cgroups", l.cgroups(was.ID, old), nil)
}

// cgroups are the directories of these containers.
func (l *lab) cgroups(ids ...inventory.ContainerID) (found []string) {
	time.Sleep(100 * time.Millisecond) // monitors clean up behind
	for _, id := range ids {
		for _, parent := range []string{"", "*/"} { // of each hierarchy, or of ours where there is one
			some, _ := filepath.Glob("/sys/fs/cgroup/" + parent + "lxc.*." + string(id))
			found = append(found, some...)
		}
	}
	return found
}

// TestForGoesBack: what was changed for a while goes back, though the agent that promised it died.
func TestForGoesBack(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	pid := l.container("lt-web").Observed.InitPID
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "80MiB"}, For: "2s"}))
	if got := cgroupLimit(pid); got != fmt.Sprint(80<<20) {
		t.Errorf("the limit is %s", got)
	}
	l.kill()
	l.start()
	l.await("the limit is what it was", func() bool { return cgroupLimit(pid) == fmt.Sprint(64<<20) })
	l.settle()
	if got := l.container("lt-web").Settings["memory"]; got != "64MiB" {
		t.Errorf("the setting is %s", got)
	}
	l.checkClean()
}

// TestForGoesBackLate: a size for a while goes back also when its time ended while no agent ran.
func TestForGoesBackLate(t *testing.T) {
	l := school(t, "2027-03-29T12:00:00Z")
	l.launch("lt-web")
	pid := l.container("lt-web").Observed.InitPID
	is := func(what string, limit int, setting string) {
		t.Helper()
		if got := cgroupLimit(pid); got != fmt.Sprint(limit<<20) || l.container("lt-web").Settings["memory"] != setting {
			t.Errorf("%s: the limit is %s, the setting %s", what, got, l.container("lt-web").Settings["memory"])
		}
	}
	if out, code := l.lodge("resize", "lt-web", "--memory", "80MiB", "--for", "2h"); code != 0 {
		t.Fatalf("lodge resize --for: %d %s", code, out)
	}
	is("resized", 80, "80MiB")
	l.away("2027-03-29T13:59:00Z")
	is("an agent later", 80, "80MiB")
	l.away("2027-03-29T19:00:00Z")
	is("its time ended while no agent ran", 64, "64MiB")
	if now := l.container("lt-web").Observed.InitPID; now != pid {
		t.Errorf("it was restarted: %d, %d", pid, now)
	}
	l.checkClean()
}

// TestHeldChange: a verb the policy holds waits for a second person, who is somebody else.
func TestHeldChange(t *testing.T) {
	addAccount(t)
	l := newLab(t)
	l.launch("lt-web")
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.SetConfig(ctx, inventory.ConfigArgs{Settings: map[string]string{"policy.hold": "container.purge"}}, client.Options{})
	})
	ctx := context.Background()
	ask := func() inventory.ChangeID {
		t.Helper()
		a, err := l.api.Purge(ctx, at("lt-web"), client.Options{Reason: "not needed"})
		if err != nil || a.Change == nil {
			t.Fatalf("got %+v, %v; want a change that waits", a, err)
		}
		return a.Change.ID
	}
	if out, code := l.lodge("config", "set", "policy.hold=container.prune"); code != 2 || !strings.Contains(out, "no verb") {
		t.Errorf("holding a verb that isn't: %d %s", code, out)
	}
	if out, code := l.lodge("config", "unset", "policy.hold"); code != 5 {
		t.Errorf("whoever is held lets go of it by themselves: %d %s", code, out)
	}
	if page, err := l.api.Changes(ctx, client.ChangeQuery{}); err != nil || len(page.Items) != 1 {
		t.Errorf("the changes that wait are %+v, %v", page.Items, err)
	} else if out, code := l.lodge("change", "cancel", string(page.Items[0].ID)); code != 0 {
		t.Errorf("lodge change cancel: %d %s", code, out)
	}
	stale := ask()
	if _, err := l.api.Approve(ctx, stale, inventory.ApproveArgs{}, client.Options{}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("approving one's own change: %v", err)
	}
	l.do(l.updating("lt-web", inventory.UpdateArgs{Labels: map[string]string{"a": "b"}}))
	l.asOther("change", "approve", string(stale))
	if c, err := l.api.Change(ctx, stale); err != nil || c.State != inventory.ChangeVoid {
		t.Errorf("a change whose container moved is %s, %v", c.State, err)
	}
	id := ask()
	l.kill()
	l.start()
	if out, code := l.asOther("change", "approve", string(id)); code != 0 {
		t.Errorf("lodge change approve: %d %s", code, out)
	}
	l.settle()
	c, err := l.api.Change(ctx, id)
	if err != nil || c.State != inventory.ChangeDone || len(c.Approvals) != 1 {
		t.Errorf("the change is %+v, %v", c, err)
	}
	if _, err := l.api.Container(ctx, at("lt-web")); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("after the purge: %v", err)
	}
	l.checkClean()
}

const otherID = 61998

// addAccount makes a second person until the test ends, in the layer the tests have above /etc.
func addAccount(t *testing.T) {
	t.Helper()
	requireRoot(t)
	for file, line := range map[string]string{
		"/etc/group":  fmt.Sprintf("lodge:x:%d:lodgetest\n", otherID),
		"/etc/passwd": fmt.Sprintf("lodgetest:x:%d:%d::/:/bin/sh\n", otherID, otherID),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kept := []string{}
		for old := range strings.Lines(string(text)) {
			if !strings.HasPrefix(old, "lodge:") && !strings.HasPrefix(old, "lodgetest:") {
				kept = append(kept, old)
			}
		}
		if err := os.WriteFile(file, []byte(strings.Join(kept, "")+line), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.WriteFile(file, []byte(strings.Join(kept, "")), 0o644) }) // others are alone again
	}
}

// asOther runs the command line as the second person.
func (l *lab) asOther(args ...string) (string, int) {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(programs(l.t, "lodge"), "lodge"), args...)
	cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+l.socket(), "HOME=/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherID, Gid: otherID}}
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// TestAgentKilledUnderLoad: twenty containers, a session and the names go on without an agent, and
// the next one knows all.
func TestAgentKilledUnderLoad(t *testing.T) {
	const many = 20
	l := newLab(t)
	before := map[string]int{}
	for i := range many {
		name := fmt.Sprintf("lt-n%d", i)
		l.do(l.create(tiny(name), true))
		before[name] = l.container(name).Observed.InitPID
	}
	s := l.open("lt-n0", "sh", "-c", "for i in $(seq 1 40); do echo line $i; sleep 0.05; done; exit 7")
	networks, err := l.api.Networks(context.Background())
	l.must(err)
	gateway, _, _ := strings.Cut(networks[0].IPv4, "/")
	want := l.container("lt-n3").NICs[0].IPv4
	stop := make(chan struct{})
	go l.hammer(stop) // something is always under way when the agent dies
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		l.kill()
		for name, pid := range before {
			if syscall.Kill(pid, 0) != nil {
				t.Errorf("%s died with the agent", name)
			}
		}
		if got, err := resolve(gateway, "lt-n3.lodge.internal"); err != nil || got != want {
			t.Errorf("without an agent the name is %s, %v; want %s", got, err, want)
		}
		l.start()
	}
	close(stop)
	l.settle()
	for name, pid := range before {
		if c := l.container(name); c.State != inventory.StateRunning || c.Observed.InitPID != pid {
			t.Errorf("%s is %s with init %d, was %d", name, c.State, c.Observed.InitPID, pid)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, code, err := l.attach(ctx, s.ID)
	if err != nil || code != 7 || strings.Count(out, "line ") != 40 || !strings.HasSuffix(out, "line 40\n") {
		t.Errorf("the session ended with %d, %v and %d lines", code, err, strings.Count(out, "line "))
	}
	l.await("the last purge is over", func() bool {
		for _, c := range l.containers() {
			if strings.HasPrefix(c.Name, "lt-load") {
				l.try(power(l.api.Purge, c.Name))
				return false
			}
		}
		return true
	})
	l.checkClean()
}

// hammer keeps the agent busy, whether there is one or not.
func (l *lab) hammer(stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		name := fmt.Sprintf("lt-load%d", i)
		l.try(l.create(tiny(name), true))
		l.try(l.updating("lt-n1", inventory.UpdateArgs{Labels: map[string]string{"n": fmt.Sprint(i)}}))
		l.try(power(l.api.Purge, name))
	}
}

// resolve asks one name server.
func resolve(server, name string) (string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := r.LookupIP(ctx, "ip4", name+".")
	if err != nil {
		return "", err
	}
	return all[0].String(), nil
}
