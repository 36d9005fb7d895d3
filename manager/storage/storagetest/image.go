package storagetest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

func imageAdded(t *testing.T, f *fixture) {
	digest := newDigest()
	old := unix.Umask(0o077) // an agent's umask must not reach a container's /
	err := f.AddImage(t.Context(), digest, func(dir string) error {
		entries, err := os.ReadDir(dir)
		if len(entries) > 0 {
			t.Errorf("the folder to fill isn't empty: %v", entries)
		}
		return err
	})
	unix.Umask(old)
	f.ok(err)
	info, err := os.Stat(f.ImagePath(digest))
	f.ok(err)
	if info.Mode().Perm() != 0o755 {
		t.Errorf("the image's / has mode %v, want 0755", info.Mode())
	}
	if err := os.WriteFile(filepath.Join(f.ImagePath(digest), "x"), nil, 0o600); err == nil {
		t.Error("an image can be written to")
	}
	f.ok(f.DeleteImage(t.Context(), digest))
	f.ok(f.DeleteImage(t.Context(), digest))
	f.there(f.ImagePath(digest), false)
}

func imageExists(t *testing.T, f *fixture) {
	err := f.AddImage(t.Context(), f.image, func(string) error {
		t.Error("fill was called for an image that is there")
		return nil
	})
	f.wants(inventory.ErrExists, err)
	has, err := f.HasImage(t.Context(), f.image)
	f.ok(err)
	if !has {
		t.Error("HasImage denies an image that is there")
	}
}

func imageMissing(t *testing.T, f *fixture) {
	digest := newDigest()
	has, err := f.HasImage(t.Context(), digest)
	f.ok(err)
	if has {
		t.Error("HasImage claims an image that isn't there")
	}
	id := newID()
	f.wants(inventory.ErrNotFound, f.Create(t.Context(), storage.Volume{ID: id}, digest))
	f.there(f.Path(id), false)
}

func imageFillFails(t *testing.T, f *fixture) {
	digest, broken := newDigest(), errors.New("the archive ends too early")
	err := f.AddImage(t.Context(), digest, func(dir string) error {
		f.write(dir, "half", "done")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want fill's error", err)
	}
	f.there(f.ImagePath(digest), false)
	f.unlisted(digest)
	f.ok(f.AddImage(t.Context(), digest, func(dir string) error {
		f.there(filepath.Join(dir, "half"), false)
		return nil
	}))
	f.ok(f.DeleteImage(t.Context(), digest))
}

func imageDeleted(t *testing.T, f *fixture) {
	digest, id := newDigest(), newID()
	f.ok(f.AddImage(t.Context(), digest, fillTree))
	f.ok(f.Create(t.Context(), storage.Volume{ID: id}, digest))
	want := describe(t, f.Path(id))
	f.ok(f.DeleteImage(t.Context(), digest))
	sameTree(t, describe(t, f.Path(id)), want)
	f.ok(f.Delete(t.Context(), id))
}

// unlisted ends the test if List shows an image or a volume of that name.
func (f *fixture) unlisted(name string) {
	f.t.Helper()
	list, err := f.List(f.t.Context())
	f.ok(err)
	if slices.Contains(list.Images, name) || slices.Contains(list.Volumes, name) {
		f.t.Fatalf("%s is listed", name)
	}
}

func contentsEqual(t *testing.T, f *fixture) {
	want := describe(t, f.ImagePath(f.image))
	if len(want) < 15 {
		t.Fatalf("the image has only %d files", len(want))
	}
	id := f.volume(0)
	sameTree(t, describe(t, f.Path(id)), want)
	f.ok(f.Snapshot(t.Context(), id, "s"))
	sameTree(t, describe(t, f.SnapshotPath(id, "s")), want)
	f.ok(f.RestoreSnapshot(t.Context(), id, "s"))
	sameTree(t, describe(t, f.Path(id)), want)
}
