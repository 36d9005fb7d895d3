package lxc_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
)

// Limits hold inside, and change while it runs.
func TestLimitsInside(t *testing.T) {
	b := newBench(t)
	script := `nproc > /nproc
cat /proc/self/uid_map > /map
ls /proc/self/fd > /fds
ulimit -Hn > /nofile
trap 'nproc > /nproc2; poweroff -f' PWR; sleep 100000 & wait`
	boot := b.container(script, map[string]string{"cpus": "0.5", "memory": "64MiB", "kernel.nofile": "2048"})
	openRootfs(t, boot)
	c := boot.Container
	b.start(boot)
	eventually(t, "the script ran", func() bool { return out(t, boot, "nofile") != "" })
	if got := out(t, boot, "nproc"); got != "1" {
		t.Errorf("nproc says %s", got)
	}
	if got := strings.Fields(out(t, boot, "map")); strings.Join(got, " ") != "0 1000000000 65536" {
		t.Errorf("uid map %v", got)
	}
	if got := out(t, boot, "nofile"); got != "2048" {
		t.Errorf("open files %s", got)
	}
	// ls itself has 0, 1, 2 and the folder it lists.
	if got := strings.Fields(out(t, boot, "fds")); len(got) > 4 {
		t.Errorf("descriptors leaked into the container: %v", got)
	}
	need.That(t, runtime.NumCPU() > 1, "two CPUs")
	boot.Settings = map[string]string{"cpus": "1.5", "memory": "128MiB", "kernel.nofile": "2048"}
	if err := b.Apply(t.Context(), boot, []string{"cpus", "memory"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	if got := out(t, boot, "nproc2"); got != "2" {
		t.Errorf("after the change nproc says %s", got)
	}
}

// A limit below what is in use is refused with both figures, and the container runs on.
func TestMemoryBelowUse(t *testing.T) {
	b := newBench(t)
	boot := b.container("mount -t tmpfs none /tmp; dd if=/dev/zero of=/tmp/fill bs=1M count=48; "+waits, map[string]string{"memory": "128MiB"})
	c := boot.Container
	b.start(boot)
	eventually(t, "memory in use", func() bool { return b.Observe(c).Memory > 40*inventory.MiB })
	boot.Settings = map[string]string{"memory": "20MiB"}
	err := b.Apply(t.Context(), boot, []string{"memory"})
	if !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	if state := b.State(c); state != inventory.StateRunning {
		t.Errorf("it is %s", state)
	}
}

// Nothing is left of many starts and stops, a hundred at a time or one after the other: no
// descriptor, goroutine, process, cgroup or file.
func TestNothingLeaks(t *testing.T) {
	b := newBench(t)
	const containers, rounds = 4, 3
	var boots []inventory.Boot
	for range containers {
		boots = append(boots, b.container(waits, nil))
	}
	round := func() {
		var wg sync.WaitGroup
		for _, boot := range boots {
			wg.Go(func() {
				b.start(boot)
				if err := b.Kill(t.Context(), boot.Container); err != nil {
					t.Error(err)
				}
			})
		}
		for range boots {
			b.exit()
		}
		wg.Wait()
	}
	round()
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	for range rounds {
		round()
	}
	eventually(t, "descriptors and goroutines are back", func() bool {
		return openFiles(t) <= fds && runtime.NumGoroutine() <= goroutines
	})
	for _, boot := range boots {
		eventually(t, "its cgroups are gone", func() bool { return len(cgroupsOf(boot.Container)) == 0 })
		if b.Remove(t.Context(), boot.Container) != nil {
			t.Error("it can't be removed")
		}
	}
	for _, dir := range []string{"containers", "run/containers", "run/hooks"} {
		if left, _ := os.ReadDir(filepath.Join(b.root, dir)); len(left) != 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
	var ws syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); err == nil && pid > 0 {
		t.Errorf("zombie %d", pid)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestNobodyElseReads(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	b.start(boot)
	dir := filepath.Join(b.root, "containers", boot.Container.LXCName())
	for _, file := range []string{dir, dir + "/config", b.root + "/run/seccomp", b.root + "/run", b.root + "/run/hook.sock", b.root + "/run/hooks"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", file, info.Mode())
		}
	}
}

func TestRenameAndRemove(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	c := boot.Container
	old := c.LXCName()
	b.start(boot)
	renamed := c.Clone()
	renamed.Name += "-new"
	if err := b.Rename(t.Context(), renamed, old); !errors.Is(err, inventory.ErrState) {
		t.Errorf("rename of a running container: %v", err)
	}
	if err := b.Remove(t.Context(), c); !errors.Is(err, inventory.ErrState) {
		t.Errorf("remove of a running container: %v", err)
	}
	if err := b.Kill(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Rename(t.Context(), renamed, old); err != nil {
			t.Fatal(err)
		}
	}
	boot.Container = renamed
	b.start(boot)
	if err := b.Kill(t.Context(), renamed); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Remove(t.Context(), renamed); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(b.root, "containers")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
