package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
)

// TestLockedOrReadOnlyDatabase: an agent that can't write its database says so in a sentence,
// changes nothing, and comes up when it can.
func TestLockedOrReadOnlyDatabase(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	pid := l.container("lt-web").Observed.InitPID
	l.stop()
	path := filepath.Join(l.root, "lodge.db")
	before := l.files()
	for what, c := range map[string]struct {
		spoil func() (mend func())
		says  string
	}{
		"locked":             {func() func() { return lockDatabase(t, path) }, "locked by another program"},
		"read-only":          {func() func() { return readOnly(t, path) }, "read-only"},
		"read-only, the lot": {func() func() { return readOnly(t, l.root) }, "read-only"},
	} {
		mend := c.spoil()
		err := l.tryStart()
		mend()
		if err == nil {
			t.Fatalf("%s: the agent starts", what)
		}
		if text := err.Error(); !strings.Contains(text, c.says) || !strings.Contains(text, l.root) || strings.Contains(text, "goroutine") {
			t.Errorf("%s: it says: %s", what, text)
		}
		if after := l.files(); after != before {
			t.Errorf("%s: it changed\n%s\nto\n%s", what, before, after)
		}
	}
	l.start()
	if c := l.container("lt-web"); c.Observed.InitPID != pid {
		t.Errorf("what ran is %s with init %d, was %d", c.State, c.Observed.InitPID, pid)
	}
	l.checkClean()
}

// files are what an agent keeps, by name and content.
func (l *lab) files() string {
	out, err := exec.Command("sh", "-c", "cd "+l.root+" && find lodge.db audit keys containers -type f -exec sha256sum {} + | sort -k 2").CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v %s", err, out)
	}
	return string(out)
}

// lockDatabase keeps every other program from writing the database, as a backup tool might.
func lockDatabase(t *testing.T, path string) (unlock func()) {
	t.Helper()
	cmd := exec.Command("sqlite3", path)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "BEGIN EXCLUSIVE; SELECT 'locked';\n")
	if _, err := io.ReadFull(out, make([]byte, len("locked"))); err != nil {
		t.Fatal(err)
	}
	return func() { in.Close(); cmd.Wait() }
}

// readOnly makes a file or a folder read-only even for root.
func readOnly(t *testing.T, path string) (back func()) {
	t.Helper()
	for _, args := range [][]string{{"--bind", path, path}, {"-o", "remount,ro,bind", path}} {
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Fatalf("mount %v: %v %s", args, err, out)
		}
	}
	return func() { syscall.Unmount(path, syscall.MNT_DETACH) }
}

// TestLXCFSKilled: containers see their own memory again after lxcfs died under them.
func TestLXCFSKilled(t *testing.T) {
	ownLXCFS(t)
	l := newLab(t)
	l.await("lxcfs is there", func() bool { return lxcfsPID() != 0 && exists("/var/lib/lxcfs/proc/meminfo") })
	l.launch("lt-one", "lt-two")
	total := func(name string) string {
		out, _, _ := l.tryExec(name, "sh", "-c", "awk '/^MemTotal:/ { print $2 / 1024 }' /proc/meminfo") // busybox's free asks the kernel
		return strings.TrimSpace(out)
	}
	if one := total("lt-one"); one != "64" {
		t.Fatalf("/proc/meminfo says %s MiB", one)
	}
	old := lxcfsPID()
	syscall.Kill(old, syscall.SIGKILL)
	for _, name := range []string{"lt-one", "lt-two"} {
		l.await("/proc/meminfo is right in "+name+" again", func() bool { return total(name) == "64" })
	}
	if now := lxcfsPID(); now == 0 || now == old {
		t.Errorf("lxcfs is process %d, was %d", now, old)
	}
	l.launch("lt-three")
	if three := total("lt-three"); three != "64" {
		t.Errorf("/proc/meminfo says %s MiB in a container made since", three)
	}
	l.checkClean()
}

// ownLXCFS takes the host's lxcfs out of the tests' mounts, so that the agent starts one of its own.
func ownLXCFS(t *testing.T) {
	t.Helper()
	requireRoot(t)
	need.Program(t, "lxcfs")
	for syscall.Unmount("/var/lib/lxcfs", syscall.MNT_DETACH) == nil {
	}
	if _, err := os.Stat("/run/lxcfs.pid"); err == nil { // the host's holds a lock on it
		pidfile := filepath.Join(t.TempDir(), "pid")
		os.WriteFile(pidfile, nil, 0o644)
		if err := syscall.Mount(pidfile, "/run/lxcfs.pid", "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Unmount("/run/lxcfs.pid", syscall.MNT_DETACH) })
	}
	t.Cleanup(func() {
		if pid := lxcfsPID(); pid != 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		syscall.Unmount("/var/lib/lxcfs", syscall.MNT_DETACH)
	})
}

// lxcfsPID is the process of lxcfs in the tests' namespace; 0 if there is none.
func lxcfsPID() (pid int) {
	paths, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range paths {
		if name, _ := os.ReadFile(path); string(name) == "lxcfs\n" {
			fmt.Sscanf(path, "/proc/%d/", &pid)
		}
	}
	return pid
}

// A jumpy clock is the host's, and so much beside it as somebody set it.
type jumpy struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *jumpy) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *jumpy) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// TestClockJumps: whatever the host's clock does, what is due later happens once.
func TestClockJumps(t *testing.T) {
	l := emptyLab(t, "shipped")
	cfg, err := parseConfig([]string{"--config", l.config})
	l.must(err)
	cfg.Helper = filepath.Join(l.programs, "lodge-lxc")
	clock := &jumpy{}
	ctx, stop := context.WithCancel(context.Background())
	a, err := open(ctx, &Agent{Config: cfg, log: slog.New(slog.DiscardHandler), now: clock.now, self: l.lodged()})
	l.must(err)
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx) }()
	defer func() { stop(); <-served; a.Close() }()
	l.await("it answers", func() bool { _, err := l.api.Version(ctx); return err == nil })

	l.importImage("tiny", tinyImage(t, ""))
	l.launch("lt-web")
	memory := func() string { return l.container("lt-web").Settings["memory"] }
	lend := func(d string) {
		t.Helper()
		l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "80MiB"}, For: d}))
	}
	due := func() { t.Helper(); a.gate.RunDue(ctx); l.settle() }
	changes := func() int { return len(l.operations("container.revert")) + len(l.operations("container.update")) }

	lend("1h")
	clock.jump(-48 * time.Hour) // an hour is an hour of the wall clock: now it is 49 away
	if due(); memory() != "80MiB" || changes() != 1 {
		t.Errorf("set back: memory is %s after %d changes", memory(), changes())
	}
	clock.jump(48*time.Hour + 2*time.Hour)
	if due(); memory() != "64MiB" || changes() != 2 {
		t.Errorf("set forward past it: memory is %s after %d changes", memory(), changes())
	}
	for _, d := range []time.Duration{-3 * time.Hour, 3 * time.Hour, 24 * time.Hour, -48 * time.Hour} {
		clock.jump(d)
		if due(); changes() != 2 {
			t.Errorf("a jump by %s did it again: %d changes", d, changes())
		}
	}
	lend("1h")
	clock.jump(90 * 24 * time.Hour) // nobody calls it: the agent notices by itself
	l.await("a jump of months is noticed", func() bool { return memory() == "64MiB" })
	l.settle()
	if changes() != 4 {
		t.Errorf("%d changes", changes())
	}
	l.checkClean()
}

// slowStop begins a stop that takes as long as it may, and returns its operation.
func (l *lab) slowStop(name string) inventory.OperationID {
	l.t.Helper()
	a, err := l.api.Stop(context.Background(), at(name), inventory.StopArgs{Timeout: "60s"}, client.Options{})
	l.must(err)
	return a.Operation.ID
}

// TestCancel: a running operation is cancelled by the API, the command line and Ctrl-C; one whose
// client dies goes on.
func TestCancel(t *testing.T) {
	l := newLab(t)
	l.importImage("deaf", tinyImage(t, deaf))
	l.do(l.create(of("deaf", "lt-deaf"), true))
	pid := l.container("lt-deaf").Observed.InitPID
	before := l.world()
	cancelled := func(how string) {
		t.Helper()
		l.settle()
		if op := l.newest("container.stop"); op.State != inventory.OperationCancelled {
			t.Errorf("%s: the operation is %s: %s", how, op.State, op.Error)
		}
		if c := l.container("lt-deaf"); c.Observed.InitPID != pid || c.Intent != inventory.IntentRun {
			t.Errorf("%s: it is %s, meant to %s", how, c.State, c.Intent)
		}
		l.unchanged(before)
	}
	id := l.slowStop("lt-deaf")
	if _, err := l.api.Cancel(context.Background(), id); err != nil {
		t.Error(err)
	}
	cancelled("by the API")

	id = l.slowStop("lt-deaf")
	if out, code := l.lodge("operation", "cancel", string(id)); code != 0 {
		t.Errorf("lodge operation cancel: %d %s", code, out)
	}
	cancelled("by the command line")
	if out, code := l.lodge("operation", "cancel", string(id)); code == 0 || !strings.Contains(out, "cancelled") {
		t.Errorf("cancelling what has ended: %d %s", code, out)
	}

	cmd, out := l.lodgeStop("lt-deaf", "60s")
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != inventory.ExitInterrupted || !strings.Contains(out.String(), "cancelled") {
		t.Errorf("Ctrl-C: %d %s", code, out)
	}
	cancelled("by Ctrl-C")

	cmd, _ = l.lodgeStop("lt-deaf", "3s", "--kill")
	cmd.Process.Kill()
	cmd.Wait()
	l.settle()
	if op := l.newest("container.stop"); op.State != inventory.OperationDone {
		t.Errorf("the operation whose client was killed is %s: %s", op.State, op.Error)
	}
	if !l.audited("operation.cancel", "lt-deaf") {
		t.Error("the journal does not tell who cancelled")
	}
	l.checkClean()
}

// lodgeStop starts 'lodge stop' and returns when its operation runs.
func (l *lab) lodgeStop(name, timeout string, more ...string) (*exec.Cmd, *bytes.Buffer) {
	l.t.Helper()
	old := l.newest("container.stop").ID
	cmd := exec.Command(filepath.Join(programs(l.t, "lodge"), "lodge"), append([]string{"stop", name, "--timeout", timeout}, more...)...)
	cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+l.socket())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	l.must(cmd.Start())
	l.await("the operation runs", func() bool { return l.newest("container.stop").ID != old })
	time.Sleep(500 * time.Millisecond) // it has the answer by now
	return cmd, &out
}

// TestFailedStepsAreUndone: a step that can't be done takes back what those before it did.
func TestFailedStepsAreUndone(t *testing.T) {
	l := newLab(t)
	l.importImage("hasty", tinyImage(t, hasty))
	l.running("lt-web")
	l.stopped("lt-off")
	l.do(l.snapping("lt-web", "then"))
	in := func(path ...string) string { return filepath.Join(append([]string{l.root}, path...)...) }
	id := func(name string) string { return string(l.container(name).ID) }
	for what, c := range map[string]struct {
		block string // a file put where the verb wants to make or change something
		ask   mutation
	}{
		"launch":             {"", l.create(of("hasty", "lt-new"), true)},
		"create":             {in("containers", "lt-new"), l.create(tiny("lt-new"), false)},
		"launch, the folder": {in("containers", "lt-new"), l.create(tiny("lt-new"), true)},
		"clone": {in("containers", "lt-new"), func(ctx context.Context) (client.Answer, error) {
			return l.api.Clone(ctx, at("lt-web"), inventory.CloneArgs{Name: "lt-new"}, client.Options{})
		}},
		"rename": {in("containers", "lt-new"), func(ctx context.Context) (client.Answer, error) {
			return l.api.Rename(ctx, at("lt-off"), inventory.RenameArgs{Name: "lt-new"}, client.Options{})
		}},
		"snapshot": {in("pools/default/snapshots", id("lt-web"), "now"), l.snapping("lt-web", "now")},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			l.t = t
			before := l.world()
			if c.block != "" {
				l.must(os.WriteFile(c.block, []byte("in the way"), 0o600))
			}
			if op, err := l.try(c.ask); err == nil {
				t.Errorf("it works: %+v", op)
			}
			l.settle()
			if c.block != "" {
				os.RemoveAll(c.block)
			}
			l.unchanged(before)
			l.checkClean()
		})
	}
	l.t = t
}
