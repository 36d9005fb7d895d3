package btrfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
)

const benchImage = "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

// BenchmarkPool measures each method on volumes of an image with 5000 files, which is about what a
// small distribution has.
func BenchmarkPool(b *testing.B) {
	for _, quota := range []btrfs.Quota{btrfs.QuotaSimple, btrfs.QuotaGroups} {
		b.Run(string(quota), func(b *testing.B) { benchmarkQuota(b, quota) })
	}
}

func benchmarkQuota(b *testing.B, quota btrfs.Quota) {
	p := open(b, btrfs.Config{Root: newRoot(b), Quota: quota})
	ctx := b.Context()
	if err := p.AddImage(ctx, benchImage, fillMany); err != nil {
		b.Fatal(err)
	}
	volume := func(b *testing.B) string {
		v := storage.Volume{ID: inventory.NewID(time.Now()), Size: 64 * inventory.MiB}
		if err := p.Create(ctx, v, benchImage); err != nil {
			b.Fatal(err)
		}
		return v.ID
	}
	// Each timed call works on something new. All of it goes at the end, so that the kernel's freeing
	// in the background isn't measured too.
	measure := func(name string, prepare func(b *testing.B) string, call func(id string) error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				id := prepare(b)
				b.Cleanup(func() { _ = p.Delete(ctx, id) })
				b.StartTimer()
				if err := call(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	fresh := func(*testing.B) string { return inventory.NewID(time.Now()) }
	snapshotted := func(b *testing.B) string {
		id := volume(b)
		if err := p.Snapshot(ctx, id, "s"); err != nil {
			b.Fatal(err)
		}
		return id
	}
	source := snapshotted(b)
	measure("create", fresh, func(id string) error {
		return p.Create(ctx, storage.Volume{ID: id, Size: 64 * inventory.MiB}, benchImage)
	})
	measure("clone", fresh, func(id string) error {
		return p.Clone(ctx, source, "s", storage.Volume{ID: id, Size: 64 * inventory.MiB})
	})
	measure("snapshot", volume, func(id string) error { return p.Snapshot(ctx, id, "s") })
	measure("restore", snapshotted, func(id string) error { return p.RestoreSnapshot(ctx, id, "s") })
	measure("delete", volume, func(id string) error { return p.Delete(ctx, id) })
	measure("resize", volume, func(id string) error { return p.Resize(ctx, id, 128*inventory.MiB) })
	measure("usage", volume, func(id string) error { _, err := p.Usage(ctx, id); return err })
	b.Run("free", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Free(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func fillMany(dir string) error {
	for n := range 5000 {
		folder := filepath.Join(dir, fmt.Sprint(n/50))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(n)), make([]byte, 4000), 0o644); err != nil {
			return err
		}
	}
	return nil
}
