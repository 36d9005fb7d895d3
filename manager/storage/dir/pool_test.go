package dir_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"lodge/manager/storage"
	"lodge/manager/storage/dir"
	"lodge/manager/storage/storagetest"
)

// These tests need root, loop devices, mkfs.ext4, mkfs.btrfs and about 3 GiB in the temporary folder.
// Without root they are skipped, or fail when LODGE_REQUIRE=1.

const prefix = "lodgetest-dir-"

func TestMain(m *testing.M) {
	storagetest.Sweep(prefix)
	os.Exit(m.Run())
}

// newDisk makes a file system of its own, so that a test can fill it, and returns the folder it is
// mounted on.
func newDisk(t testing.TB, kind string, mebibytes int) string {
	storagetest.Need(t, "mkfs.ext4", "mkfs.btrfs")
	root, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	must(t, err)
	t.Cleanup(func() { storagetest.Clear(root) })
	file, disk := filepath.Join(root, "disk.img"), filepath.Join(root, "disk")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Truncate(file, int64(mebibytes)<<20))
	must(t, os.Mkdir(disk, 0o700))
	command(t, "mkfs."+kind, "-q", file)
	command(t, "mount", "-o", "loop", file, disk)
	return disk
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, config dir.Config) *dir.Pool {
	t.Helper()
	p, err := dir.Open(context.Background(), config)
	must(t, err)
	return p
}

// TestPool passes the suite on a file system that shares extents and on one that does not.
func TestPool(t *testing.T) {
	storagetest.Need(t, "mkfs.ext4", "mkfs.btrfs")
	for _, kind := range []string{"btrfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			storagetest.Run(t, storagetest.Backend{
				Dir:    func(t *testing.T) string { return newDisk(t, kind, 2048) },
				Points: dir.CrashPoints,
				Open: func(t *testing.T, disk string, crash func(string)) storage.Pool {
					return open(t, dir.Config{Root: disk, Crash: crash})
				},
			})
		})
	}
}
