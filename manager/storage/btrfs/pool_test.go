package btrfs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
	"lodge/manager/storage/storagetest"
)

// These tests need root, loop devices, mkfs.btrfs and about 2 GiB in the temporary folder. Without
// root they are skipped, or fail when LODGE_REQUIRE=1.

const prefix = "lodgetest-btrfs-"

func TestMain(m *testing.M) {
	sweep()
	os.Exit(m.Run())
}

// sweep removes what tests left that were killed: mounts and files of processes that are gone. Loop
// devices go with their mounts.
func sweep() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, folder := range folders {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			clear(folder)
		}
	}
}

func clear(folder string) {
	mounts, _ := filepath.Glob(filepath.Join(folder, "pools", "*"))
	for _, mount := range mounts {
		_ = unix.Unmount(mount, unix.MNT_DETACH)
	}
	os.RemoveAll(folder)
}

func requireRoot(t testing.TB) {
	t.Helper()
	var missing string
	if os.Geteuid() != 0 {
		missing = "root"
	} else if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		missing = "mkfs.btrfs"
	} else if _, err := os.Stat("/dev/loop-control"); err != nil {
		missing = "loop devices"
	}
	if missing == "" {
		return
	}
	if os.Getenv("LODGE_REQUIRE") == "1" {
		t.Fatalf("this test needs %s", missing)
	}
	t.Skipf("this test needs %s", missing)
}

// newRoot makes a folder for an agent's files.
func newRoot(t testing.TB) string {
	requireRoot(t)
	root, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clear(root) })
	return root
}

// open opens a pool that is closed after the test; its mount goes with the folder.
func open(t testing.TB, config btrfs.Config) *btrfs.Pool {
	t.Helper()
	if config.Size == 0 {
		config.Size = inventory.GiB
	}
	p, err := btrfs.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// methodPoints are the crash points inside the pool's methods under one kind of quota.
func methodPoints(quota btrfs.Quota) []string {
	var points []string
	for _, point := range btrfs.CrashPoints {
		opening := strings.HasPrefix(point, "file.") || strings.HasPrefix(point, "open.")
		if !opening && (point != "volume.grouped" || quota == btrfs.QuotaSimple) {
			points = append(points, point)
		}
	}
	return points
}

func TestPool(t *testing.T) {
	requireRoot(t)
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		t.Run(string(quota), func(t *testing.T) {
			if _, err := os.Stat("/sys/fs/btrfs/features/simple_quota"); err != nil && quota == btrfs.QuotaSimple {
				t.Skip("this kernel has no simple quotas")
			}
			storagetest.Run(t, backend(quota))
		})
	}
}

func backend(quota btrfs.Quota) storagetest.Backend {
	return storagetest.Backend{
		Dir:    func(t *testing.T) string { return newRoot(t) },
		Points: methodPoints(quota),
		Open: func(t *testing.T, dir string, crash func(string)) storage.Pool {
			return open(t, btrfs.Config{Root: dir, Quota: quota, Crash: crash})
		},
	}
}
