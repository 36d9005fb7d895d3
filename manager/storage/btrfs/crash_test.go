package btrfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
	"lodge/manager/storage/storagetest"
)

const (
	crashDir   = "LODGETEST_CRASH_DIR"
	crashPoint = "LODGETEST_CRASH_POINT"

	volumeA = "01990000-0000-7000-8000-00000000000a"
	volumeB = "01990000-0000-7000-8000-00000000000b"
	volumeC = "01990000-0000-7000-8000-00000000000c"
)

// allOf takes a pool through every method that has a crash point. It can be called again after it
// was killed anywhere.
func allOf(config btrfs.Config) error {
	p, err := btrfs.Open(context.Background(), config)
	if err != nil {
		return err
	}
	defer p.Close()
	note := func(content string) error {
		return os.WriteFile(filepath.Join(p.Path(volumeA), "note"), []byte(content), 0o644)
	}
	for _, step := range []func() error{
		func() error {
			return p.AddImage(context.Background(), benchImage, func(dir string) error {
				return os.WriteFile(filepath.Join(dir, "note"), []byte("image"), 0o644)
			})
		},
		func() error {
			return p.Create(context.Background(), storage.Volume{ID: volumeA, Size: inventory.GiB}, benchImage)
		},
		func() error { return p.Snapshot(context.Background(), volumeA, "s") },
		func() error { return note("now") },
		func() error { return p.RestoreSnapshot(context.Background(), volumeA, "s") },
		func() error { return p.Clone(context.Background(), volumeA, "s", storage.Volume{ID: volumeB}) },
		func() error { return p.Snapshot(context.Background(), volumeB, "s") },
		func() error { return p.Delete(context.Background(), volumeB) },
		func() error { return p.CreateEmpty(context.Background(), storage.Volume{ID: volumeC}) },
		func() error { return p.Delete(context.Background(), volumeC) },
	} {
		if err := step(); err != nil && !errors.Is(err, inventory.ErrExists) {
			return err
		}
	}
	return nil
}

// TestKill kills a process at every crash point, with all it had open, and lets the next one go on.
func TestKill(t *testing.T) {
	storagetest.Need(t, "mkfs.btrfs")
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		for _, point := range btrfs.CrashPoints {
			if quota == btrfs.QuotaGroups && point == "volume.grouped" {
				continue
			}
			t.Run(string(quota)+" "+point, func(t *testing.T) { killAt(t, quota, point) })
		}
	}
}

func killAt(t *testing.T, quota btrfs.Quota, point string) {
	root := newRoot(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+root, crashPoint+"="+point, "LODGETEST_QUOTA="+string(quota))
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("the process wasn't killed at %s: %v\n%s", point, err, output)
	}
	config := btrfs.Config{Root: root, Size: 512 * inventory.MiB, Quota: quota}
	p := open(t, config)
	noLeftovers(t, root)
	must(t, p.Close())
	if err := allOf(config); err != nil {
		t.Fatal(err)
	}
	noLeftovers(t, root)
	p = open(t, config)
	list, err := p.List(t.Context())
	if err != nil || len(list.Images) != 1 || len(list.Volumes) != 1 || len(list.Snapshots) != 1 {
		t.Fatalf("the pool holds %+v, %v", list, err)
	}
	if n, err := os.ReadFile(filepath.Join(p.Path(volumeA), "note")); string(n) != "image" {
		t.Fatalf("the restored volume holds %q, %v", n, err)
	}
}

func noLeftovers(t *testing.T, root string) {
	t.Helper()
	leftovers, _ := filepath.Glob(filepath.Join(root, "pools", "*", "*", ".new-*"))
	files, _ := filepath.Glob(filepath.Join(root, "pools", "*.new"))
	if len(leftovers)+len(files) > 0 {
		t.Fatalf("left: %v %v", leftovers, files)
	}
}

// killed is what the process does that is killed; it returns only if it was not.
func killed(root string) error {
	return allOf(btrfs.Config{
		Root: root, Size: 512 * inventory.MiB, Quota: btrfs.Quota(os.Getenv("LODGETEST_QUOTA")),
		Crash: func(point string) {
			if point == os.Getenv(crashPoint) {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				select {}
			}
		},
	})
}
