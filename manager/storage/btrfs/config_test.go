package btrfs_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/btrfs"
)

func TestChooseSize(t *testing.T) {
	const M, G = inventory.MiB, inventory.GiB
	for _, c := range []struct {
		name        string
		asked, free inventory.Bytes
		want        inventory.Bytes
		kind        error
	}{
		{"30 % of a middling host", 0, 100 * G, 30 * G, nil},
		{"at least 5 GiB", 0, 8 * G, 5 * G, nil},
		{"at most 100 GiB", 0, 4000 * G, 100 * G, nil},
		{"a host too small for any", 0, 5 * G, 0, inventory.ErrQuota},
		{"as asked", 200 * G, 400 * G, 200 * G, nil},
		{"whole MiB", 300*M + 5, 100 * G, 300 * M, nil},
		{"too small to work", 100 * M, 100 * G, 0, inventory.ErrInvalid},
		{"negative", -1, 100 * G, 0, inventory.ErrInvalid},
		{"more than there is", 50 * G, 49 * G, 0, inventory.ErrQuota},
		{"all there is", 49 * G, 49 * G, 0, inventory.ErrQuota},
	} {
		got, err := btrfs.ChooseSize(c.asked, c.free)
		if got != c.want || !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, %v; want %v, %v", c.name, got, err, c.want, c.kind)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, config := range map[string]btrfs.Config{
		"no path":       {},
		"relative path": {Root: "var/lib/lodge"},
		"bad name":      {Root: "/nonexistent", Name: "../x"},
		"bad quota":     {Root: "/nonexistent", Quota: "most"},
	} {
		_, err := btrfs.Open(t.Context(), config)
		if !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadOnly has the file system as btrfs leaves it after an error.
func TestReadOnly(t *testing.T) {
	root := newRoot(t)
	p := open(t, btrfs.Config{Root: root})
	must(t, p.AddImage(t.Context(), benchImage, func(string) error { return nil }))
	mount := root + "/pools/default"
	must(t, unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	wants(t, inventory.ErrUnavailable, p.Create(t.Context(), storage.Volume{ID: volumeA}, benchImage))
	room, err := p.Free(t.Context())
	must(t, err)
	if len(room.Warnings) == 0 || !strings.Contains(room.Warnings[0], "read-only") {
		t.Errorf("warnings: %q", room.Warnings)
	}
	must(t, unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_NOATIME, ""))
	must(t, p.Create(t.Context(), storage.Volume{ID: volumeA}, benchImage))
	list, err := p.List(t.Context())
	must(t, err)
	if len(list.Volumes) != 1 {
		t.Errorf("volumes: %v", list.Volumes)
	}
}
