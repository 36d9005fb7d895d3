package storagetest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/packaging/need"
)

// Sweep removes what tests left that were killed: mounts and files of processes that are gone. Loop
// devices go with their mounts. Folders are called prefix, the process, a dash, anything.
func Sweep(prefix string) {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, folder := range folders {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			Clear(folder)
		}
	}
}

// Clear unmounts everything below a folder, the last mounted first, and removes it.
func Clear(folder string) {
	for _, point := range mountsBelow(folder) {
		_ = unix.Unmount(point, unix.MNT_DETACH)
	}
	os.RemoveAll(folder)
}

func mountsBelow(folder string) (points []string) {
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], folder+"/") {
			points = append([]string{f[4]}, points...)
		}
	}
	return points
}

// Need is what every pool's tests take: root, loop devices, and programs that make file systems.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	need.Root(t)
	need.Programs(t, programs...)
	_, err := os.Stat("/dev/loop-control")
	need.That(t, err == nil, "loop devices")
}
