package dir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
	"lodge/manager/storage/tree"
)

// Usage is what the volume holds beyond what it was made from. That of a tree takes a walk.
func (p *Pool) Usage(ctx context.Context, id string) (inventory.Bytes, error) {
	if err := storage.CheckVolume(id); err != nil {
		return 0, err
	}
	used, _, err := p.measure(ctx, "measure", id)
	return used, err
}

func (p *Pool) measure(ctx context.Context, action, id string) (inventory.Bytes, meta, error) {
	if err := ctx.Err(); err != nil {
		return 0, meta{}, err
	}
	m, err := readMeta(p.place(id))
	if disk.IsMissing(err) {
		return 0, m, p.fault().Missing(action, id, "")
	}
	var used inventory.Bytes
	if err == nil && m.Bounded {
		var now space
		now, err = spaceOf(p.Path(id))
		used = now.used
	} else if err == nil {
		var size tree.Size
		size, err = tree.Measure(ctx, p.Path(id))
		used = inventory.Bytes(size.Bytes)
	}
	if err != nil {
		return 0, m, p.fault().Fail(err, "%s volume %s", action, id)
	}
	return max(used-m.Base, 0), m, nil
}

// Bounded reports whether the volume has a file system of its own; true when that can't be told.
func (p *Pool) Bounded(id string) bool {
	if storage.CheckVolume(id) != nil {
		return true
	}
	m, err := readMeta(p.place(id))
	return err != nil || m.Bounded
}

// Thresholds of warnings.
const lowRoom = inventory.GiB

// Free measures the room of the file system the pool is on.
func (p *Pool) Free(ctx context.Context) (storage.Room, error) {
	if err := ctx.Err(); err != nil {
		return storage.Room{}, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(p.config.base(), &st); err != nil {
		return storage.Room{}, p.fault().Fail(err, "measure pool %s", p.config.Name)
	}
	unit := inventory.Bytes(st.Bsize)
	room := storage.Room{Total: inventory.Bytes(st.Blocks) * unit, Free: inventory.Bytes(st.Bavail) * unit,
		Enforced: p.bounds, OnRequest: p.bounds}
	promised, err := p.promised()
	if err != nil {
		return storage.Room{}, p.fault().Fail(err, "measure pool %s", p.config.Name)
	}
	warn := func(when bool, format string, args ...any) {
		if when {
			room.Warnings = append(room.Warnings, fmt.Sprintf("pool "+p.config.Name+" "+format, args...))
		}
	}
	warn(st.Flags&unix.ST_RDONLY != 0, "is on a file system that is read-only")
	low := room.Free < min(lowRoom, room.Total/10)
	warn(low && promised > room.Free,
		"has only %v free and has promised %v more to its containers, whose file systems stop when it is full; make room", room.Free, promised)
	warn(low && promised <= room.Free, "has only %v of %v free", room.Free, room.Total)
	warn(!p.bounds, "doesn't enforce sizes: that takes loop devices and mkfs.ext4")
	return room, nil
}

// promised is what the files of bounded volumes may still take. The files are few, so this is no walk.
func (p *Pool) promised() (inventory.Bytes, error) {
	files, err := filepath.Glob(p.in("containers", "*", imageName))
	var sum inventory.Bytes
	for _, f := range files {
		var st unix.Stat_t
		if unix.Stat(f, &st) == nil {
			sum += max(inventory.Bytes(st.Size-st.Blocks*512), 0)
		}
	}
	return sum, err
}

// List names everything in the pool.
func (p *Pool) List(ctx context.Context) (storage.Listing, error) {
	if err := ctx.Err(); err != nil {
		return storage.Listing{}, err
	}
	list, err := p.list()
	if err != nil {
		return storage.Listing{}, p.fault().Fail(err, "list pool %s", p.config.Name)
	}
	return list, nil
}

func (p *Pool) list() (list storage.Listing, err error) {
	images, err := p.names("kept", "images")
	if err != nil {
		return list, err
	}
	for _, hex := range images {
		if _, err := storage.ImageHex("sha256:" + hex); err == nil {
			list.Images = append(list.Images, "sha256:"+hex)
		}
	}
	volumes, err := p.names("containers")
	if err != nil {
		return list, err
	}
	for _, id := range volumes {
		if storage.CheckVolume(id) == nil {
			list.Volumes = append(list.Volumes, id)
		}
	}
	owners, err := p.names("kept", "snapshots")
	if err != nil {
		return list, err
	}
	for _, id := range owners {
		names, err := p.snapshotNames(id)
		if err != nil {
			return list, err
		}
		for _, name := range names {
			list.Snapshots = append(list.Snapshots, storage.SnapshotName{Volume: id, Name: name})
		}
	}
	return list, nil
}

// names are those in one of the pool's folders, sorted.
func (p *Pool) names(folder ...string) ([]string, error) {
	entries, err := os.ReadDir(p.in(folder...))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// snapshotNames are the names of a volume's snapshots, sorted; none for names that can't be.
func (p *Pool) snapshotNames(id string) ([]string, error) {
	if storage.CheckVolume(id) != nil {
		return nil, nil
	}
	all, err := p.names("kept", "snapshots", id)
	if disk.IsMissing(err) {
		return nil, nil
	}
	var names []string
	for _, name := range all {
		if storage.CheckSnapshot(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}
