package storagetest

import (
	"os"
	"path/filepath"
	"testing"

	"lodge/inventory"
)

func snapshotInstant(t *testing.T, f *fixture) {
	id := f.volume(0)
	open, err := os.Create(filepath.Join(f.Path(id), "open"))
	f.ok(err)
	defer open.Close()
	_, err = open.WriteString("before ") // neither synced nor closed
	f.ok(err)
	f.ok(f.Snapshot(t.Context(), id, "s"))
	_, err = open.WriteString("after")
	f.ok(err)
	f.reads(f.SnapshotPath(id, "s"), "open", "before ")
	f.reads(f.Path(id), "open", "before after")
	if err := os.WriteFile(filepath.Join(f.SnapshotPath(id, "s"), "x"), nil, 0o600); err == nil {
		t.Error("a snapshot can be written to")
	}
}

func snapshotErrors(t *testing.T, f *fixture) {
	id, gone := f.volume(0), newID()
	f.ok(f.Snapshot(t.Context(), id, "s"))
	f.write(f.Path(id), "later", "x")
	f.wants(inventory.ErrExists, f.Snapshot(t.Context(), id, "s"))
	f.there(filepath.Join(f.SnapshotPath(id, "s"), "later"), false)
	f.wants(inventory.ErrNotFound, f.Snapshot(t.Context(), gone, "s"))
	f.wants(inventory.ErrNotFound, f.RestoreSnapshot(t.Context(), id, "other"))
	f.wants(inventory.ErrNotFound, f.RestoreSnapshot(t.Context(), gone, "s"))
	f.there(f.Path(gone), false)
	f.reads(f.Path(id), "later", "x")
}

func snapshotDeleted(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.ok(f.Snapshot(t.Context(), id, "a"))
	f.ok(f.Snapshot(t.Context(), id, "b"))
	for range 2 {
		f.ok(f.DeleteSnapshot(t.Context(), id, "a"))
		f.there(f.SnapshotPath(id, "a"), false)
		f.there(f.SnapshotPath(id, "b"), true)
	}
	f.ok(f.DeleteSnapshot(t.Context(), newID(), "a"))
	f.ok(f.Snapshot(t.Context(), id, "a"))
}

func restore(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.write(f.Path(id), "note", "one")
	f.ok(f.Snapshot(t.Context(), id, "one"))
	f.write(f.Path(id), "note", "two")
	f.ok(os.RemoveAll(filepath.Join(f.Path(id), "etc")))
	f.ok(f.Snapshot(t.Context(), id, "two"))
	f.write(f.Path(id), "junk", "x")

	f.ok(f.RestoreSnapshot(t.Context(), id, "one"))
	f.reads(f.Path(id), "note", "one")
	f.reads(f.Path(id), "etc/hostname", "image\n")
	f.reads(f.Path(id), "junk", "")
	f.write(f.Path(id), "note", "three") // it is writable, and the snapshot isn't touched
	f.reads(f.SnapshotPath(id, "one"), "note", "one")

	f.ok(f.RestoreSnapshot(t.Context(), id, "two")) // a later one than the one restored before
	f.reads(f.Path(id), "note", "two")
	f.there(filepath.Join(f.Path(id), "etc"), false)
	f.there(f.SnapshotPath(id, "one"), true)
}

func restoreGone(t *testing.T, f *fixture) {
	id := f.volume(0)
	f.write(f.Path(id), "note", "one")
	f.ok(f.Snapshot(t.Context(), id, "s"))
	for range 2 {
		f.ok(f.RestoreSnapshot(t.Context(), id, "s"))
	}
	// A volume that vanished without its snapshots: somebody moved it away by hand.
	aside := filepath.Join(f.dir, "aside")
	if err := os.Rename(f.Path(id), aside); err != nil {
		aside = f.Path(newID())
		f.ok(os.Rename(f.Path(id), aside))
	}
	f.ok(f.RestoreSnapshot(t.Context(), id, "s"))
	f.reads(f.Path(id), "note", "one")
	if filepath.Dir(aside) == f.dir {
		f.ok(os.RemoveAll(aside))
		return
	}
	f.ok(f.Delete(t.Context(), filepath.Base(aside)))
}
