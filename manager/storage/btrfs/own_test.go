package btrfs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
	"lodge/manager/storage/storagetest"
)

func wants(t *testing.T, kind, err error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want an error of kind %q", err, kind)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loopOf returns the loop device over a pool's file, as a file below /sys/block; "" for none.
func loopOf(t *testing.T, root string) string {
	t.Helper()
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range names {
		content, _ := os.ReadFile(name)
		if strings.TrimSpace(string(content)) == filepath.Join(root, "pools/default.img") {
			return filepath.Dir(name)
		}
	}
	return ""
}

func TestMadeAsDesigned(t *testing.T) {
	root := newRoot(t)
	open(t, btrfs.Config{Root: root})
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(root, "pools/default.img"), &st))
	if st.Blocks*512 < st.Size || st.Size != int64(inventory.GiB) {
		t.Errorf("the file has %d bytes, %d of them allocated", st.Size, st.Blocks*512)
	}
	for _, name := range []string{"pools", "pools/default"} {
		info, err := os.Stat(filepath.Join(root, name))
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	for name, want := range map[string]string{"dio": "1", "autoclear": "1"} {
		if got, _ := os.ReadFile(filepath.Join(loopOf(t, root), name)); strings.TrimSpace(string(got)) != want {
			t.Errorf("the loop device's %s is %q", name, got)
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(table)) {
		if !strings.Contains(line, root) {
			continue
		}
		if !strings.Contains(line, "noatime") || strings.Contains(line, "discard=async") ||
			strings.Contains(line, "user_subvol_rm_allowed") || strings.Contains(line, "shared:") {
			t.Errorf("mounted as %s", line)
		}
	}
}

// TestReboot checks that a pool comes back after its device and mount are gone.
func TestReboot(t *testing.T) {
	root := newRoot(t)
	p := open(t, btrfs.Config{Root: root})
	must(t, p.AddImage(t.Context(), benchImage, func(string) error { return nil }))
	must(t, p.Create(t.Context(), storage.Volume{ID: volumeA, Size: 64 * inventory.MiB}, benchImage))
	busy, err := os.Open(p.Path(volumeA))
	must(t, err)
	wants(t, inventory.ErrBusy, p.Detach())
	busy.Close()
	must(t, open(t, btrfs.Config{Root: root}).Detach())
	if loop := loopOf(t, root); loop != "" {
		t.Errorf("%s is still attached", loop)
	}
	p = open(t, btrfs.Config{Root: root})
	if _, err := os.Stat(p.Path(volumeA)); err != nil {
		t.Error(err)
	}
	must(t, os.WriteFile(filepath.Join(p.Path(volumeA), "small"), []byte("x"), 0o600))
	if err := os.WriteFile(filepath.Join(p.Path(volumeA), "large"), make([]byte, 80<<20), 0o600); err == nil {
		t.Error("the size isn't enforced any more")
	}
}

func TestForeignIsRefused(t *testing.T) {
	storagetest.Need(t, "mkfs.btrfs")
	try := func(t *testing.T, root string) error {
		p, err := btrfs.Open(t.Context(), btrfs.Config{Root: root, Size: 512 * inventory.MiB})
		if err == nil {
			p.Close()
		}
		return err
	}
	t.Run("file with another label", func(t *testing.T) {
		root := newRoot(t)
		name := filepath.Join(root, "pools/default.img")
		must(t, os.Mkdir(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, nil, 0o600))
		must(t, os.Truncate(name, 256<<20))
		wants(t, inventory.ErrState, try(t, root))
		must(t, exec.Command("mkfs.btrfs", "-q", "-L", "photos", name).Run())
		before, err := os.ReadFile(name)
		must(t, err)
		wants(t, inventory.ErrState, try(t, root))
		after, err := os.ReadFile(name)
		must(t, err)
		if string(before) != string(after) {
			t.Error("the foreign file was written to")
		}
	})
	t.Run("file with other contents", func(t *testing.T) {
		root := newRoot(t)
		p := open(t, btrfs.Config{Root: root})
		must(t, os.Remove(filepath.Join(root, "pools/default/pool.json")))
		must(t, p.Close())
		wants(t, inventory.ErrState, try(t, root))
	})
	t.Run("place taken", func(t *testing.T) {
		root := newRoot(t)
		must(t, os.MkdirAll(filepath.Join(root, "pools/default"), 0o700))
		must(t, unix.Mount("none", filepath.Join(root, "pools/default"), "tmpfs", 0, "size=1m"))
		wants(t, inventory.ErrState, try(t, root))
	})
	t.Run("file deleted while mounted", func(t *testing.T) {
		root := newRoot(t)
		open(t, btrfs.Config{Root: root})
		must(t, os.Remove(filepath.Join(root, "pools/default.img")))
		wants(t, inventory.ErrState, try(t, root))
		if left, _ := filepath.Glob(filepath.Join(root, "pools/*.img*")); len(left) > 0 {
			t.Errorf("another was made: %v", left)
		}
	})
	t.Run("copy of the file", func(t *testing.T) {
		root, other := newRoot(t), newRoot(t)
		open(t, btrfs.Config{Root: root, Size: 256 * inventory.MiB})
		must(t, os.Mkdir(filepath.Join(other, "pools"), 0o700))
		copied := exec.Command("cp", filepath.Join(root, "pools/default.img"), filepath.Join(other, "pools/"))
		must(t, copied.Run())
		if err := try(t, other); err == nil {
			t.Error("a copy was opened beside its original")
		}
	})
	t.Run("no room on the host", func(t *testing.T) {
		root := newRoot(t)
		pools := filepath.Join(root, "pools/small")
		must(t, os.MkdirAll(pools, 0o700))
		must(t, unix.Mount("none", pools, "tmpfs", 0, "size=64m"))
		wants(t, inventory.ErrQuota, try(t, pools))
		if left, _ := filepath.Glob(filepath.Join(pools, "pools", "*.img*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestFolder has a pool on a btrfs that somebody else mounted and uses.
func TestFolder(t *testing.T) {
	host := open(t, btrfs.Config{Root: newRoot(t), Quota: btrfs.QuotaOff})
	base := filepath.Dir(filepath.Dir(host.Path(volumeA)))
	folder := filepath.Join(base, "mine")
	must(t, os.Mkdir(folder, 0o755))
	must(t, os.WriteFile(filepath.Join(folder, "photo"), nil, 0o600))
	_, err := btrfs.Open(t.Context(), btrfs.Config{Dir: folder})
	wants(t, inventory.ErrState, err)
	_, err = btrfs.Open(t.Context(), btrfs.Config{Dir: t.TempDir()})
	wants(t, inventory.ErrState, err)

	must(t, os.Remove(filepath.Join(folder, "photo")))
	for range 2 {
		p := open(t, btrfs.Config{Dir: folder})
		room, err := p.Free(t.Context())
		must(t, err)
		if room.Enforced || len(room.Warnings) == 0 {
			t.Errorf("quotas of somebody else's file system were switched on: %+v", room)
		}
		if err := p.AddImage(t.Context(), benchImage, func(string) error { return nil }); err != nil {
			wants(t, inventory.ErrExists, err)
		}
		must(t, p.Create(t.Context(), storage.Volume{ID: volumeA, Size: inventory.MiB}, benchImage))
		_, err = p.Usage(t.Context(), volumeA)
		wants(t, inventory.ErrUnavailable, err)
		must(t, p.Snapshot(t.Context(), volumeA, "s"))
		must(t, p.RestoreSnapshot(t.Context(), volumeA, "s"))
		must(t, p.Delete(t.Context(), volumeA))
		must(t, p.Detach())
	}
}

func TestGrow(t *testing.T) {
	root := newRoot(t)
	p := open(t, btrfs.Config{Root: root, Size: 512 * inventory.MiB})
	wants(t, inventory.ErrInvalid, p.Grow(t.Context(), 256*inventory.MiB))
	wants(t, inventory.ErrQuota, p.Grow(t.Context(), 1000*inventory.TiB))
	for range 2 {
		must(t, p.Grow(t.Context(), 768*inventory.MiB))
	}
	room, err := p.Free(t.Context())
	must(t, err)
	if room.Total != 768*inventory.MiB {
		t.Errorf("the pool has %v", room.Total)
	}
}
