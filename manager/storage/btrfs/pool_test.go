package btrfs_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
	"lodge/manager/storage/storagetest"
	"lodge/packaging/need"
)

// These tests need root, loop devices, mkfs.btrfs and about 2 GiB in the temporary folder. Without
// root they are skipped, or fail when LODGE_REQUIRE=1.

const prefix = "lodgetest-btrfs-"

func TestMain(m *testing.M) {
	storagetest.Sweep(prefix)
	if root := os.Getenv(crashDir); root != "" { // the process TestKill kills
		fmt.Fprintln(os.Stderr, "not killed:", killed(root))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newRoot makes a folder for an agent's files.
func newRoot(t testing.TB) string {
	storagetest.Need(t, "mkfs.btrfs")
	root, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storagetest.Clear(root) })
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
	storagetest.Need(t, "mkfs.btrfs")
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		t.Run(string(quota), func(t *testing.T) {
			_, err := os.Stat("/sys/fs/btrfs/features/simple_quota")
			need.That(t, err == nil || quota != btrfs.QuotaSimple, "a kernel with simple quotas, 6.7 or newer")
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
