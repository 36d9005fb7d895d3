package btrfs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
	"lodge/packaging/need"
)

// TestNested has subvolumes inside a volume, as root on the host can make them.
func TestNested(t *testing.T) {
	need.Program(t, "btrfs")
	p := open(t, btrfs.Config{Root: newRoot(t)})
	subvolume := func(path string) error {
		if out, err := exec.Command("btrfs", "subvolume", "create", path).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	err := p.AddImage(t.Context(), benchImage, func(dir string) error { return subvolume(filepath.Join(dir, "srv")) })
	wants(t, inventory.ErrInvalid, err)
	must(t, p.AddImage(t.Context(), benchImage, func(string) error { return nil }))
	must(t, p.Create(t.Context(), storage.Volume{ID: volumeA, Size: 64 * inventory.MiB}, benchImage))
	root := p.Path(volumeA)
	must(t, subvolume(filepath.Join(root, "a")))
	must(t, subvolume(filepath.Join(root, "a", "b")))
	must(t, subvolume(filepath.Join(root, "c")))
	room, err := p.Free(t.Context())
	must(t, err)
	if room.SnapshotsCounted { // simple quotas
		if err := os.WriteFile(filepath.Join(root, "a", "b", "large"), make([]byte, 80<<20), 0o600); err == nil {
			t.Error("a nested subvolume escapes the size")
		}
		must(t, os.Remove(filepath.Join(root, "a", "b", "large")))
	}
	must(t, p.Snapshot(t.Context(), volumeA, "s"))
	must(t, p.RestoreSnapshot(t.Context(), volumeA, "s"))
	must(t, subvolume(filepath.Join(root, "d")))
	must(t, p.Delete(t.Context(), volumeA))
	list, err := exec.Command("btrfs", "subvolume", "list", filepath.Dir(root)).CombinedOutput()
	must(t, err)
	if n := strings.Count(string(list), "\n"); n != 1 { // the image
		t.Errorf("left:\n%s", list)
	}
}

// TestSnapshotsCounted checks what Room.SnapshotsCounted promises, over restores too.
func TestSnapshotsCounted(t *testing.T) {
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		t.Run(string(quota), func(t *testing.T) {
			p := open(t, btrfs.Config{Root: newRoot(t), Quota: quota})
			must(t, p.AddImage(t.Context(), benchImage, func(string) error { return nil }))
			must(t, p.Create(t.Context(), storage.Volume{ID: volumeA, Size: 64 * inventory.MiB}, benchImage))
			must(t, p.Snapshot(t.Context(), volumeA, "empty"))
			data := filepath.Join(p.Path(volumeA), "data")
			must(t, os.WriteFile(data, make([]byte, 40<<20), 0o600))
			must(t, p.Snapshot(t.Context(), volumeA, "full"))
			must(t, p.RestoreSnapshot(t.Context(), volumeA, "empty"))
			err := os.WriteFile(data, make([]byte, 40<<20), 0o600)
			room, freeErr := p.Free(t.Context())
			must(t, freeErr)
			if counted := err != nil; counted != room.SnapshotsCounted {
				t.Errorf("writing what a snapshot holds once more: %v; SnapshotsCounted is %v", err, room.SnapshotsCounted)
			}
		})
	}
}

// TestRoomComesBack checks that a restore of a full volume, and deletions, give their room back and
// leave no quota groups.
func TestRoomComesBack(t *testing.T) {
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		t.Run(string(quota), func(t *testing.T) {
			p := open(t, btrfs.Config{Root: newRoot(t), Quota: quota})
			must(t, p.AddImage(t.Context(), benchImage, func(string) error { return nil }))
			before := groups(t, p)
			must(t, p.Create(t.Context(), storage.Volume{ID: volumeA, Size: 64 * inventory.MiB}, benchImage))
			must(t, p.Snapshot(t.Context(), volumeA, "s"))
			data := filepath.Join(p.Path(volumeA), "data")
			if err := os.WriteFile(data, make([]byte, 80<<20), 0o600); err == nil {
				t.Fatal("80 MiB fit into 64")
			}
			must(t, p.RestoreSnapshot(t.Context(), volumeA, "s"))
			eventually(t, func() error { return os.WriteFile(data, make([]byte, 40<<20), 0o600) })
			must(t, p.Delete(t.Context(), volumeA))
			eventually(t, func() error {
				if now := groups(t, p); now != before {
					return fmt.Errorf("%d quota groups are left, %d were there before", now, before)
				}
				return nil
			})
		})
	}
}

func groups(t *testing.T, p *btrfs.Pool) int {
	root, err := filepath.Abs(filepath.Join(p.Path(volumeA), "../.."))
	must(t, err)
	out, err := exec.Command("btrfs", "qgroup", "show", root).Output()
	must(t, err)
	return strings.Count(string(out), "\n")
}

// eventually tries until it works or the test's time is over: the kernel frees in the background.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 120 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Fatal(err)
}
