package lxc_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc"
	"lodge/packaging/need"
)

// helperPath is the lodge-lxc the tests run, built once by TestMain.
var helperPath string

// testPrefix begins the name of every container of these tests.
const testPrefix = "lodgetest-lxc-"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lodgetest-lxc")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		helperPath = filepath.Join(dir, "lodge-lxc")
		build := exec.Command("go", "build", "-o", dir, "lodge/cmd/lodge-lxc", "lodge/cmd/lodge-hook")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "lodge-lxc can't be built, tests that need it are skipped: %v\n%s", err, out)
			helperPath = ""
		}
		return m.Run()
	}())
}

// starter runs the helper as the agent's does without systemd: in a session of its own.
type starter struct{}

func (starter) Run(ctx context.Context, _ string, argv []string, stdout, stderr *os.File) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "/", stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); ctx.Err() != nil {
		return err
	}
	return nil
}

// requireHost skips a test on a machine that can't run containers, unless LODGE_REQUIRE is set.
func requireHost(t *testing.T) {
	t.Helper()
	need.Root(t)
	need.Programs(t, "lxc-start", "busybox")
	need.That(t, helperPath != "", "lodge-lxc")
}

// A bench is a runtime with a root of its own.
type bench struct {
	*lxc.Runtime
	t    *testing.T
	root string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	requireHost(t)
	// The container's root has to be able to reach its rootfs, which TempDir's parents may not let.
	root, err := os.MkdirTemp("", "lodgetest-lxc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeRoot(root) })
	b := &bench{t: t, root: root}
	b.Runtime = b.open()
	return b
}

// removeRoot takes away what a test left, the mounts first: what is below them is not theirs.
func removeRoot(root string) {
	mounts, _ := filepath.Glob(filepath.Join(root, "roots", "*", "root"))
	for _, m := range mounts {
		for unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		}
	}
	os.RemoveAll(root)
}

// open starts another runtime on the same root, as the next agent does.
func (b *bench) open(adopt ...*inventory.Container) *lxc.Runtime {
	b.t.Helper()
	level := slog.LevelError
	r := lxc.New(lxc.Config{Root: b.root, Helper: helperPath, Starter: starter{},
		Log: slog.New(slog.NewTextHandler(b.t.Output(), &slog.HandlerOptions{Level: level}))})
	if _, err := r.Adopt(b.t.Context(), adopt); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(r.Close)
	return r
}

// container makes a container whose rootfs is busybox and whose init is script; it is killed and
// removed in the end.
func (b *bench) container(script string, settings map[string]string) inventory.Boot {
	b.t.Helper()
	name := testPrefix + strings.ToLower(rand.Text()[:8])
	rootfs := filepath.Join(b.root, "rootfs-"+name)
	makeRootfs(b.t, rootfs, script)
	c := &inventory.Container{
		ID: inventory.ContainerID(inventory.NewID(time.Now())), Name: name, Project: inventory.DefaultProject,
		IDBase: 1000000000, Settings: settings,
	}
	b.t.Cleanup(func() { b.end(c) })
	return inventory.Boot{Container: c, Settings: settings, Rootfs: rootfs}
}

// end kills whatever is left of a container, with or without a runtime that knows it.
func (b *bench) end(c *inventory.Container) {
	exec.Command("lxc-stop", "-k", "-P", filepath.Join(b.root, "containers"), "-n", c.LXCName()).Run()
	for range 200 {
		if err := exec.Command("pgrep", "-f", "^\\[lxc monitor\\] .* "+c.LXCName()+"$").Run(); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for range 50 {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/lxc.*." + string(c.ID) + "*")
		if len(left) == 0 {
			return
		}
		for _, dir := range left {
			exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// start configures and starts it, or fails the test.
func (b *bench) start(boot inventory.Boot) {
	b.t.Helper()
	if err := b.Configure(b.t.Context(), boot); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Start(b.t.Context(), boot); err != nil {
		log, _ := os.ReadFile(filepath.Join(b.root, "containers", boot.Container.LXCName(), "lxc.log"))
		b.t.Fatalf("%v\n%s", err, log)
	}
}

// exit returns the next exit that says what it leads to, which has to come.
func (b *bench) exit() lxc.Exit {
	b.t.Helper()
	for {
		if e := b.anyExit(); e.Target != lxc.TargetOpen {
			return e
		}
	}
}

func (b *bench) anyExit() lxc.Exit {
	b.t.Helper()
	select {
	case e := <-b.Exits():
		return e
	case <-time.After(time.Minute):
		b.t.Fatal("nobody told of an exit")
		return lxc.Exit{}
	}
}

// makeRootfs makes the least a container boots from. An empty script makes busybox itself init.
func makeRootfs(t *testing.T, dir, script string) {
	t.Helper()
	for _, d := range []string{"bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/busybox", program, 0o755)
	for _, applet := range []string{"sh", "sleep", "cat", "nproc", "free", "poweroff", "reboot", "id", "true", "ls", "mkdir", "dd", "stat", "touch", "mount"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	if script == "" {
		if err := os.Symlink("../bin/busybox", filepath.Join(dir, "sbin/init")); err != nil {
			t.Fatal(err)
		}
		write("etc/inittab", []byte("::sysinit:/bin/true\n"), 0o644)
		return
	}
	write("sbin/init", []byte("#!/bin/sh\n"+script+"\n"), 0o755)
}

// eventually waits for something another process is about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: did not come true", what)
}

// out reads a file the container's init wrote into its rootfs.
func out(t *testing.T, boot inventory.Boot, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(boot.Rootfs, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
