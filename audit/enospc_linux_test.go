package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
	j := open(t, journal, 40_000)
	acked := int64(0)
	var err error
	for err == nil {
		var seq int64
		if seq, err = j.Append(context.Background(), record(acked+1)); err == nil {
			acked = seq
		}
	}
	if !errors.Is(err, inventory.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || acked < 50 {
		t.Fatalf("after %d records: %v", acked, err)
	}
	for range 3 {
		if _, err := j.Append(context.Background(), record(acked+1)); !errors.Is(err, inventory.ErrUnavailable) {
			t.Fatalf("on a full disk: %v", err)
		}
	}
	wantClean(t, journal, acked)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fill(t, j, acked+1, acked+20) // no restart is needed
	j.Close()
	wantClean(t, journal, acked+20)
	if _, err := audit.Verify(journal, audit.VerifyOptions{}); err != nil {
		t.Fatal(err)
	}
}
