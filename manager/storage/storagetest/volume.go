package storagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lodge/inventory"
	"lodge/manager/storage"
)

func volumeExists(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.write(f.Path(id), "mine", "kept")
	f.wants(inventory.ErrExists, f.Create(t.Context(), storage.Volume{ID: id}, f.image))
	f.wants(inventory.ErrExists, f.Clone(t.Context(), id, "", storage.Volume{ID: id}))
	f.reads(f.Path(id), "mine", "kept")
}

func emptyVolume(t *testing.T, f *fixture) {
	v := storage.Volume{ID: newID(), Size: size}
	f.ok(f.CreateEmpty(t.Context(), v))
	t.Cleanup(func() { _ = f.Delete(context.Background(), v.ID) })
	path := f.Path(v.ID)
	entries, err := os.ReadDir(path)
	f.ok(err)
	info, err := os.Stat(path)
	f.ok(err)
	owner := info.Sys().(*syscall.Stat_t)
	if len(entries) > 0 || info.Mode().Perm() != 0o755 || owner.Uid != 0 || owner.Gid != 0 {
		t.Errorf("it holds %v, has mode %v and belongs to %d:%d", entries, info.Mode(), owner.Uid, owner.Gid)
	}
	f.write(path, "note", "then")
	f.ok(f.Snapshot(t.Context(), v.ID, "s"))
	f.write(path, "note", "now")
	f.wants(inventory.ErrExists, f.CreateEmpty(t.Context(), v))
	f.reads(path, "note", "now")
	f.ok(f.RestoreSnapshot(t.Context(), v.ID, "s"))
	f.reads(path, "note", "then")
	if room, err := f.Free(t.Context()); err == nil && room.Enforced {
		f.fills(v.ID, "data", size)
		f.uses(v.ID, size)
	}
	f.ok(f.Delete(t.Context(), v.ID))
	f.unlisted(v.ID)
}

func volumesIndependent(t *testing.T, f *fixture) {
	a, b := f.volume(0), f.volume(0)
	f.write(f.Path(a), "etc/hostname", "a")
	f.ok(os.Remove(filepath.Join(f.Path(a), "su")))
	f.reads(f.Path(b), "etc/hostname", "image\n")
	f.there(filepath.Join(f.Path(b), "su"), true)
	f.reads(f.ImagePath(f.image), "etc/hostname", "image\n")
}

func volumeDeleted(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.ok(f.Snapshot(t.Context(), id, "one"))
	f.ok(f.Snapshot(t.Context(), id, "two"))
	for range 2 {
		f.ok(f.Delete(t.Context(), id))
		f.there(f.Path(id), false)
		f.there(f.SnapshotPath(id, "one"), false)
		f.unlisted(id)
	}
	f.ok(f.Delete(t.Context(), newID()))
	f.ok(f.Create(t.Context(), storage.Volume{ID: id}, f.image))
	f.ok(f.Delete(t.Context(), id))
}

var badIDs = []string{"", ".", "..", "../x", "web1", "/etc", "a/b", "0190b2c4-0000-7000-8000-00000000000/",
	"0190B2C4-0000-7000-8000-00000000000A", "0190b2c4-0000-7000-8000-00000000000a/..", ".new-0190b2c4-0000-7000-8000-0000000000"}

var badNames = []string{"", ".", "..", "a/b", "../../images", "UPPER", "-x", "x-", "a b", "x\x00", ".new-x",
	strings.Repeat("a", 64), "ä"}

var badDigests = []string{"", "..", "sha256:", "sha256:" + strings.Repeat("A", 64), strings.Repeat("a", 64),
	"sha256:../" + strings.Repeat("a", 61), "sha256:" + strings.Repeat("a", 63), "sha512:" + strings.Repeat("a", 64)}

func pathsStayInside(t *testing.T, f *fixture) {
	good := newID()
	var paths []string
	for _, id := range badIDs {
		paths = append(paths, f.Path(id), f.SnapshotPath(id, "s"))
	}
	for _, name := range badNames {
		paths = append(paths, f.SnapshotPath(good, name))
	}
	for _, digest := range badDigests {
		paths = append(paths, f.ImagePath(digest))
	}
	for _, path := range paths {
		if rel, err := filepath.Rel(f.dir, path); err != nil || strings.HasPrefix(rel,
			"..") || filepath.Clean(path) != path {
			t.Errorf("%q is not inside %s", path, f.dir)
		}
		f.there(path, false)
	}
}

func namesRefused(t *testing.T, f *fixture) {
	ctx, id := t.Context(), f.volume(0)
	f.ok(f.Snapshot(ctx, id, "s"))
	nothing := func(string) error { t.Error("fill was called"); return nil }
	for _, bad := range badIDs {
		v := storage.Volume{ID: bad}
		_, usage := f.Usage(ctx, bad)
		for i, err := range []error{
			f.Create(ctx, v, f.image), f.CreateEmpty(ctx, v), f.Clone(ctx, id, "", v), f.Clone(ctx, bad, "",
				storage.Volume{ID: newID()}),
			f.Resize(ctx, bad, 1), f.Delete(ctx, bad), f.Snapshot(ctx, bad,
				"s"), f.RestoreSnapshot(ctx, bad, "s"),
			f.DeleteSnapshot(ctx, bad, "s"), usage,
		} {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("id %q in call %d: %v", bad, i, err)
			}
		}
	}
	for _, bad := range badNames {
		errs := []error{f.Snapshot(ctx, id, bad), f.RestoreSnapshot(ctx, id, bad),
			f.DeleteSnapshot(ctx, id, bad)}
		if bad != "" {
			errs = append(errs, f.Clone(ctx, id, bad, storage.Volume{ID: newID()}))
		}
		for i, err := range errs {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("snapshot %q in call %d: %v", bad, i, err)
			}
		}
	}
	for _, bad := range badDigests {
		_, has := f.HasImage(ctx, bad)
		for i, err := range []error{f.Create(ctx, storage.Volume{ID: newID()}, bad),
			f.AddImage(ctx, bad, nothing), f.DeleteImage(ctx, bad), has} {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("digest %q in call %d: %v", bad, i, err)
			}
		}
	}
	f.wants(inventory.ErrInvalid, f.Create(ctx, storage.Volume{ID: newID(), Size: -1}, f.image))
}

func clonePresent(t *testing.T, f *fixture) {
	a, b := f.volume(0), newID()
	f.write(f.Path(a), "note", "shared")
	f.ok(f.Clone(t.Context(), a, "", storage.Volume{ID: b}))
	f.write(f.Path(a), "note", "a's")
	f.reads(f.Path(b), "note", "shared")
	f.ok(f.Delete(t.Context(), a))
	f.reads(f.Path(b), "note", "shared")
	f.write(f.Path(b), "note", "b's")
	f.ok(f.Delete(t.Context(), b))
}

func cloneSnapshot(t *testing.T, f *fixture) {
	a, b := f.volume(0), newID()
	f.write(f.Path(a), "note", "then")
	f.ok(f.Snapshot(t.Context(), a, "then"))
	f.write(f.Path(a), "note", "now")
	f.ok(f.Clone(t.Context(), a, "then", storage.Volume{ID: b}))
	f.reads(f.Path(b), "note", "then")
	f.write(f.Path(b), "note", "mine")
	f.reads(f.SnapshotPath(a, "then"), "note", "then")
	f.there(f.SnapshotPath(b, "then"), false)
	f.ok(f.Delete(t.Context(), b))
}

func cloneMissing(t *testing.T, f *fixture) {
	to := storage.Volume{ID: newID()}
	f.wants(inventory.ErrNotFound, f.Clone(t.Context(), newID(), "", to))
	f.wants(inventory.ErrNotFound, f.Clone(t.Context(), f.volume(0), "none", to))
	f.there(f.Path(to.ID), false)
}

func listed(t *testing.T, f *fixture) {
	a, b := f.volume(0), f.volume(0)
	f.ok(f.Snapshot(t.Context(), b, "two"))
	f.ok(f.Snapshot(t.Context(), b, "one"))
	list, err := f.List(t.Context())
	f.ok(err)
	if !slices.IsSorted(list.Volumes) || !slices.Contains(list.Volumes,
		a) || !slices.Contains(list.Volumes, b) {
		t.Errorf("volumes: %v; want %s and %s among them, sorted", list.Volumes, a, b)
	}
	if !slices.Contains(list.Images, f.image) {
		t.Errorf("images: %v; want %s among them", list.Images, f.image)
	}
	one := slices.Index(list.Snapshots, storage.SnapshotName{Volume: b, Name: "one"})
	two := slices.Index(list.Snapshots, storage.SnapshotName{Volume: b, Name: "two"})
	if one < 0 || two != one+1 {
		t.Errorf("snapshots: %v; want one and two of %s in turn", list.Snapshots, b)
	}
}

func parallel(t *testing.T, f *fixture) {
	var group sync.WaitGroup
	for n := range 12 {
		group.Go(func() {
			if err := f.life(t.Context(), fmt.Sprint(n)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// life takes one volume from create to delete.
func (f *fixture) life(ctx context.Context, content string) error {
	id, note := newID(), filepath.Join("etc", "note")
	write := func(s string) error { return os.WriteFile(filepath.Join(f.Path(id), note), []byte(s), 0o644) }
	for _, step := range []func() error{
		func() error { return f.Create(ctx, storage.Volume{ID: id, Size: 64 * inventory.MiB}, f.image) },
		func() error { return write(content) },
		func() error { return f.Snapshot(ctx, id, "s") },
		func() error { return write("later") },
		func() error { return f.RestoreSnapshot(ctx, id, "s") },
		func() error {
			got, err := os.ReadFile(filepath.Join(f.Path(id), note))
			if err == nil && string(got) != content {
				return fmt.Errorf("volume %s holds %q, want %q", id, got, content)
			}
			return err
		},
		func() error { return f.Delete(ctx, id) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func sameAtOnce(t *testing.T, f *fixture) {
	id := newID()
	errs := make([]error, 8)
	var group sync.WaitGroup
	for n := range errs {
		group.Go(func() { errs[n] = f.Create(t.Context(), storage.Volume{ID: id}, f.image) })
	}
	group.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			f.wants(inventory.ErrExists, err)
		}
	}
	if made != 1 {
		t.Errorf("%d of %d calls made the same volume", made, len(errs))
	}
	f.ok(f.Delete(t.Context(), id))
}

func cancelled(t *testing.T, f *fixture) {
	id, digest := f.volume(0), newDigest()
	f.ok(f.Snapshot(t.Context(), id, "s"))
	f.write(f.Path(id), "later", "x")
	ctx, cancel := context.WithCancel(t.Context())
	filling := f.AddImage(ctx, digest, func(string) error { cancel(); return nil })
	to := newID()
	_, free := f.Free(ctx)
	_, list := f.List(ctx)
	for i, err := range []error{
		filling, f.Create(ctx, storage.Volume{ID: to}, f.image),
		f.CreateEmpty(ctx, storage.Volume{ID: to}), f.Clone(ctx, id, "",
			storage.Volume{ID: to}),
		f.Snapshot(ctx, id, "t"), f.RestoreSnapshot(ctx, id, "s"), f.DeleteSnapshot(ctx, id,
			"s"), f.Delete(ctx, id), free, list,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: got %v, want the context's error", i, err)
		}
	}
	f.there(f.ImagePath(digest), false)
	f.there(f.Path(to), false)
	f.there(f.SnapshotPath(id, "t"), false)
	f.there(f.SnapshotPath(id, "s"), true)
	f.reads(f.Path(id), "later", "x")
}

func openedAgain(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.write(f.Path(id), "mine", "kept")
	f.ok(f.Snapshot(t.Context(), id, "s"))
	path := f.Path(id)
	f.open()
	if f.Path(id) != path {
		t.Errorf("the volume moved from %s to %s", path, f.Path(id))
	}
	f.reads(f.Path(id), "mine", "kept")
	f.there(f.SnapshotPath(id, "s"), true)
}
