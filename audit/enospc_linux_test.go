package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/packaging/need"
)

// TestFullDisk fills a small file system under the journal.
func TestFullDisk(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	need.That(t, syscall.Mount("lodgetest", dir, "tmpfs", 0, "size=256k") == nil, "to mount a tmpfs")
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(dir, "audit")
	j, err := audit.Open(journal, audit.Options{Key: testKey(t), Log: quiet, SegmentSize: 40_000, Reserve: 64 << 10,
		Now:     func() time.Time { return start },
		Freeing: func(r inventory.Record) bool { return r.Verb == "container.purge" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	acked := int64(0)
	for err == nil {
		var seq int64
		if seq, err = j.Append(context.Background(), record(acked+1)); err == nil {
			acked = seq
		}
	}
	if !errors.Is(err, inventory.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || acked < 30 {
		t.Fatalf("after %d records: %v", acked, err)
	}
	purge := record(1)
	purge.Verb = "container.purge"
	for range 10 { // what frees space is recorded, out of the reserve
		acked++
		if seq, err := j.Append(context.Background(), purge); err != nil || seq != acked {
			t.Fatalf("purge on a full disk: %d, %v; want %d", seq, err, acked)
		}
		if _, err := j.Append(context.Background(), record(1)); !errors.Is(err, inventory.ErrUnavailable) {
			t.Fatalf("on a full disk: %v", err)
		}
	}
	wantClean(t, journal, acked)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fill(t, j, acked+1, acked+20) // no restart is needed
	if _, err := os.Stat(filepath.Join(journal, "reserve")); err != nil {
		t.Errorf("the reserve is not made again: %v", err)
	}
	j.Close()
	wantClean(t, journal, acked+20)
}

// TestReadOnlyDisk: nothing can be written, so nothing is acknowledged; what is there can be read.
func TestReadOnlyDisk(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	need.That(t, syscall.Mount("lodgetest", dir, "tmpfs", 0, "size=1m") == nil, "to mount a tmpfs")
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	journal := filepath.Join(dir, "audit")
	j := open(t, journal, 0)
	fill(t, j, 1, 3)
	j.Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if j, err := audit.Open(journal, audit.Options{Key: testKey(t), Log: quiet}); err == nil {
		j.Close()
		t.Error("a journal on a read-only disk is opened")
	}
	wantClean(t, journal, 3)
}
