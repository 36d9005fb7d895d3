package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/packaging/need"
)

// tmpfs mounts a file system of its own that ends with the test.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	need.Root(t)
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("lodgetest", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// On a full disk a write fails as a whole and says so, reads go on, and with room again all is
// as if nothing had been.
func TestDiskFull(t *testing.T) {
	dir, ctx := tmpfs(t, "size=4m"), context.Background()
	b := openAt(t, filepath.Join(dir, "lodge.db"))
	web1 := b.made(b.container("web1"))
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	before := b.dump()
	made, failed := 0, error(nil)
	for ; failed == nil && made < 1000; made++ {
		c := b.container("")
		c.Name, c.Purpose = "web"+c.ID.Short(), strings.Repeat("x", 20000)
		before = b.dump()
		_, _, failed = b.Admit(ctx, b.admission("container.create", nil, c))
	}
	unavailable(t, failed, "full", "free some space", b.path)
	if diff := cmp.Diff(before, b.dump()); diff != "" {
		t.Error("a failed write left traces:", diff)
	}
	if _, err := b.Container(ctx, web1.Ref()); err != nil {
		t.Error("reads fail on a full disk:", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.admit(b.admission("container.stop", web1, nil))
	b.checkEvents()
	b.Close()
	again := openAt(t, b.path)
	if ops, err := again.Operations(ctx, store.OperationQuery{Container: web1.ID, State: store.Unfinished}); err != nil || len(ops) != 1 {
		t.Error(ops, err)
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}

func TestOpenFull(t *testing.T) {
	dir := tmpfs(t, "size=1m")
	fill(t, filepath.Join(dir, "filler"))
	refused(t, filepath.Join(dir, "lodge.db"), "full")
}

func TestReadOnly(t *testing.T) {
	dir := tmpfs(t, "size=8m")
	b := openAt(t, filepath.Join(dir, "lodge.db"))
	web1 := b.made(b.container("web1"))
	b.Close()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, b.path, "can't be written", "read-only")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, b.path).Container(context.Background(), inventory.Ref{Name: string(web1.ID)}); err != nil {
		t.Error(err)
	}
}
