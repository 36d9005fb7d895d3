package storagetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

const (
	size  = 64 * inventory.MiB
	slack = 8 * inventory.MiB // for the file system's own structures and rounding
)

func (f *fixture) needsSizes() {
	f.t.Helper()
	room, err := f.Free(f.t.Context())
	f.ok(err)
	if !room.Enforced {
		f.t.Fatal("this pool doesn't enforce sizes")
	}
}

func (f *fixture) used(id string) inventory.Bytes {
	f.t.Helper()
	f.flush(f.Path(id))
	n, err := f.Usage(f.t.Context(), id)
	f.ok(err)
	return n
}

// uses ends the test unless the usage is about want.
func (f *fixture) uses(id string, want inventory.Bytes) {
	f.t.Helper()
	if got := f.used(id); got < want-slack/2 || got > want+slack {
		f.t.Fatalf("the volume uses %v, want about %v", got, want)
	}
}

// fills ends the test unless about want more bytes fit.
func (f *fixture) fills(id, name string, want inventory.Bytes) {
	f.t.Helper()
	n, err := grow(filepath.Join(f.Path(id), name), want+4*slack)
	if !errors.Is(err, unix.EDQUOT) && !errors.Is(err, unix.ENOSPC) {
		f.t.Fatalf("writing %v ended with %v, want a full volume", n, err)
	}
	if n < want-slack || n > want+slack {
		f.t.Fatalf("%v fit, want about %v", n, want)
	}
}

func usageGrows(t *testing.T, f *fixture) {
	f.needsSizes()
	_, err := f.Usage(t.Context(), newID())
	f.wants(inventory.ErrNotFound, err)
	id := f.volume(0)
	f.uses(id, 0) // the image's data is no part of it
	_, err = grow(filepath.Join(f.Path(id), "data"), 32*inventory.MiB)
	f.ok(err)
	f.uses(id, 32*inventory.MiB)
	f.ok(os.Remove(filepath.Join(f.Path(id), "data")))
	f.uses(id, 0)
	_, err = grow(filepath.Join(f.Path(id), "data"), 32*inventory.MiB)
	f.ok(err)
	clone := newID()
	f.ok(f.Clone(t.Context(), id, "", storage.Volume{ID: clone}))
	f.uses(clone, 0)
	f.uses(id, 32*inventory.MiB)
	f.ok(f.Delete(t.Context(), clone))
}

func sizeEnforced(t *testing.T, f *fixture) {
	f.needsSizes()
	id := f.volume(size)
	f.fills(id, "data", size)
	f.uses(id, size)
	f.reads(f.Path(id), "etc/hostname", "image\n")
	f.ok(os.Remove(filepath.Join(f.Path(id), "data"))) // a full volume can be emptied
	f.uses(id, 0)
	f.fills(id, "again", size)

	other := f.volume(size)
	f.fills(other, "data", size)
	clone := newID()
	f.ok(f.Clone(t.Context(), id, "", storage.Volume{ID: clone, Size: size}))
	f.fills(clone, "more", size)
	f.ok(f.Delete(t.Context(), clone))
}

func sizeKept(t *testing.T, f *fixture) {
	f.needsSizes()
	id := f.volume(16 * inventory.MiB)
	f.ok(f.Snapshot(t.Context(), id, "s"))
	f.ok(f.Resize(t.Context(), id, size))
	f.ok(f.RestoreSnapshot(t.Context(), id, "s"))
	f.fills(id, "data", size)
	f.open()
	if n, err := grow(filepath.Join(f.Path(id), "more"), 2*slack); err == nil {
		t.Errorf("after another open, %v more fit", n)
	}
}

func resize(t *testing.T, f *fixture) {
	f.needsSizes()
	f.wants(inventory.ErrNotFound, f.Resize(t.Context(), newID(), size))
	id := f.volume(size)
	_, err := grow(filepath.Join(f.Path(id), "data"), 40*inventory.MiB)
	f.ok(err)
	used := f.used(id)
	err = f.Resize(t.Context(), id, 20*inventory.MiB)
	f.wants(inventory.ErrQuota, err)
	for _, number := range []string{"20MiB", fmt.Sprint(used)} {
		if !strings.Contains(err.Error(), number) {
			t.Errorf("%q doesn't say %s", err, number)
		}
	}
	f.fills(id, "more", size-used) // the refusal changed nothing
	f.ok(os.Remove(filepath.Join(f.Path(id), "more")))
	f.ok(f.Resize(t.Context(), id, 2*size))
	f.fills(id, "more", 2*size-used)
	f.ok(os.Remove(filepath.Join(f.Path(id), "more")))
	f.flush(f.Path(id))
	f.ok(f.Resize(t.Context(), id, 48*inventory.MiB))
	f.fills(id, "more", 48*inventory.MiB-used)
	f.ok(f.Resize(t.Context(), id, 0))
	_, err = grow(filepath.Join(f.Path(id), "unbounded"), 3*size)
	f.ok(err)
}

func roomMeasured(t *testing.T, f *fixture) {
	before, err := f.Free(t.Context())
	f.ok(err)
	if before.Total < 512*inventory.MiB || before.Free <= 0 || before.Free > before.Total || before.MetadataFree > before.MetadataTotal {
		t.Fatalf("room: %+v", before)
	}
	id := f.volume(0)
	_, err = grow(filepath.Join(f.Path(id), "data"), 64*inventory.MiB)
	f.ok(err)
	f.flush(f.Path(id))
	after, err := f.Free(t.Context())
	f.ok(err)
	if gone := before.Free - after.Free; gone < 32*inventory.MiB {
		t.Errorf("writing 64 MiB took %v of the room", gone)
	}
}

// fullPool fills a pool to the brim with a volume that has no size.
func fullPool(t *testing.T, f *fixture) {
	id := f.volume(0)
	ctx := t.Context()
	for n := 0; ; n++ {
		if _, err := grow(filepath.Join(f.Path(id), fmt.Sprint("data", n)), inventory.GiB); err != nil {
			break
		}
	}
	for n := 0; ; n++ { // what is left goes in small files
		if os.WriteFile(filepath.Join(f.Path(id), fmt.Sprint("small", n)), make([]byte, 3000),
			0o600) != nil {
			break
		}
	}
	room, err := f.Free(ctx)
	f.ok(err)
	if len(room.Warnings) == 0 {
		t.Errorf("a full pool has no warning: %+v", room)
	}
	digest := newDigest()
	f.wants(inventory.ErrQuota, f.AddImage(ctx, digest, func(dir string) error {
		_, err := grow(filepath.Join(dir, "data"), inventory.GiB)
		return err
	}))
	f.there(f.ImagePath(digest), false)
	for n := range 50 { // some may still fit: one that doesn't leaves nothing behind
		v := storage.Volume{ID: newID(), Size: size}
		if err := f.Create(ctx, v, f.image); err != nil {
			f.wants(inventory.ErrQuota, err)
			f.there(f.Path(v.ID), false)
			f.unlisted(v.ID)
		} else if err := f.Snapshot(ctx, v.ID, fmt.Sprint("s", n)); err != nil {
			f.wants(inventory.ErrQuota, err)
			f.there(f.SnapshotPath(v.ID, fmt.Sprint("s", n)), false)
		}
	}
	f.ok(f.Delete(ctx, id)) // deleting is the way out, so it has to work
	f.open()
	f.ok(f.Create(ctx, storage.Volume{ID: newID()}, f.image))
}
