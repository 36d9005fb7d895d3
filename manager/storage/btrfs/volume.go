package btrfs

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

// Create makes a volume from an image.
func (p *Pool) Create(ctx context.Context, v storage.Volume, image string) error {
	if err := v.Check(); err != nil {
		return err
	}
	if _, err := storage.ImageHex(image); err != nil {
		return err
	}
	defer p.locks.take("volume "+v.ID, "image "+image)()
	src, err := openSubvolume(p.ImagePath(image))
	if isMissing(err) {
		return inventory.Errorf(inventory.ErrNotFound, "make volume %s: image %s is not in pool %s", v.ID, image, p.config.Name)
	}
	if err != nil {
		return p.fail(err, "make volume %s", v.ID)
	}
	defer src.Close()
	return p.makeVolume(ctx, src, v)
}

// Clone makes a volume from another one or a snapshot of it.
func (p *Pool) Clone(ctx context.Context, from, snapshot string, to storage.Volume) error {
	if err := to.Check(); err != nil {
		return err
	}
	if err := storage.CheckVolume(from); err != nil {
		return err
	}
	path := p.Path(from)
	if snapshot != "" {
		if err := storage.CheckSnapshot(snapshot); err != nil {
			return err
		}
		path = p.SnapshotPath(from, snapshot)
	}
	defer p.locks.take("volume "+from, "volume "+to.ID)()
	src, err := openSubvolume(path)
	if isMissing(err) {
		return p.missing("clone", from, snapshot)
	}
	if err != nil {
		return p.fail(err, "clone volume %s", from)
	}
	defer src.Close()
	p.warnNested(src, from)
	return p.makeVolume(ctx, src, to)
}

func (p *Pool) missing(action, id, snapshot string) error {
	if snapshot == "" {
		return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s is not in pool %s", action, id, p.config.Name)
	}
	return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s has no snapshot %s in pool %s", action, id, snapshot, p.config.Name)
}

// makeVolume makes v a writable snapshot of src. The caller holds the lock of v.
func (p *Pool) makeVolume(ctx context.Context, src *os.File, v storage.Volume) error {
	if there, err := exists(p.Path(v.ID)); err != nil {
		return p.fail(err, "make volume %s", v.ID)
	} else if there {
		return inventory.Errorf(inventory.ErrExists, "make volume %s: it is in pool %s already", v.ID, p.config.Name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.building.RLock()
	defer p.building.RUnlock()
	make := p.makeUncounted
	switch p.quota {
	case QuotaSimple:
		make = p.makeInGroup
	case QuotaGroups:
		make = p.makeLimited
	}
	if err := make(src, v); err != nil {
		return p.fail(err, "make volume %s", v.ID)
	}
	return nil
}

func (p *Pool) makeUncounted(src *os.File, v storage.Volume) error {
	return snapshotTo(src, p.Path(v.ID), false, 0)
}

// makeInGroup is for simple quotas. Bounding the group comes first, so the snapshot, which commits,
// makes everything durable at once, and a volume without its bound is never seen. A crash before
// leaves a group without members, which the sweeper removes.
func (p *Pool) makeInGroup(src *os.File, v storage.Volume) error {
	group := volumeGroup(v.ID)
	err := p.ensureGroup(group)
	if err == nil {
		err = p.setBound(group, bound{size: v.Size})
	}
	p.config.Crash("volume.grouped")
	if err == nil {
		err = snapshotTo(src, p.Path(v.ID), false, group)
	}
	if err != nil {
		_ = changeGroup(p.root, group, false)
		return err
	}
	p.config.Crash("volume.built")
	return nil
}

func (p *Pool) ensureGroup(group uint64) error {
	err := changeGroup(p.root, group, true)
	if isThere(err) {
		return nil
	}
	return err
}

// makeLimited is for quota groups, where joining a group of level 1 with shared data would make the
// kernel count everything anew. The snapshot is bounded under another name first. Only the commit at
// the end makes the final name durable.
func (p *Pool) makeLimited(src *os.File, v storage.Volume) error {
	temporary := p.temporary(v.ID)
	err := p.buildLimited(src, temporary, v.Size)
	if err == nil {
		p.config.Crash("volume.built")
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.Path(v.ID), unix.RENAME_NOREPLACE)
	}
	if err == nil {
		err = commit(p.root)
	}
	if err != nil {
		p.discard(temporary)
	}
	return err
}

// buildLimited makes dst a snapshot of src that may grow by size.
func (p *Pool) buildLimited(src *os.File, dst string, size inventory.Bytes) error {
	if err := p.destroy(dst); err != nil {
		return err
	}
	if err := snapshotTo(src, dst, false, 0); err != nil {
		return err
	}
	group, err := groupAt(dst)
	if err != nil {
		return err
	}
	base, err := p.referenced(group)
	if err != nil {
		return err
	}
	return p.setBound(group, bound{size: size, base: base})
}

// groupAt is the group of level 0 that every subvolume has.
func groupAt(path string) (uint64, error) {
	f, err := openSubvolume(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return subvolumeID(f)
}

func (p *Pool) temporary(id string) string {
	return filepath.Join(p.config.base(), "containers", unfinished+id)
}

// discard removes what a failed call had begun. What can't be removed now, Open removes.
func (p *Pool) discard(path string) {
	if err := p.destroy(path); err != nil {
		p.config.Log.Warn("can't remove what a failed call left", "path", path, "error", err)
	}
}

// Resize changes what bounds a volume.
func (p *Pool) Resize(ctx context.Context, id string, size inventory.Bytes) error {
	if err := (storage.Volume{ID: id, Size: size}).Check(); err != nil {
		return err
	}
	defer p.locks.take("volume " + id)()
	group, b, used, err := p.measure(ctx, "resize", id)
	if err != nil {
		return err
	}
	if size != 0 && size < used {
		return inventory.Errorf(inventory.ErrQuota,
			"resize volume %s to %v: it holds %v; delete files or snapshots, or choose a larger size", id, size, used)
	}
	b.size = size
	if err := p.setBound(group, b); err != nil {
		return p.fail(err, "resize volume %s", id)
	}
	if err := commit(p.root); err != nil {
		return p.fail(err, "resize volume %s", id)
	}
	return nil
}

// Delete removes a volume and its snapshots. The volume goes last: while it is there, the deletion
// is not done.
func (p *Pool) Delete(ctx context.Context, id string) error {
	if err := storage.CheckVolume(id); err != nil {
		return err
	}
	defer p.locks.take("volume " + id)()
	names, err := p.snapshotNames(id)
	if err != nil {
		return p.fail(err, "delete volume %s", id)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.destroy(p.SnapshotPath(id, name)); err != nil {
			return p.fail(err, "delete snapshot %s of volume %s", name, id)
		}
		p.config.Crash("delete.snapshots")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.destroy(p.Path(id)); err != nil {
		return p.fail(err, "delete volume %s", id)
	}
	p.config.Crash("delete.volume")
	p.removeEmpty(p.snapshotsOf(id))
	p.sweepSoon()
	return nil
}

// removeEmpty removes a folder unless something is in it.
func (p *Pool) removeEmpty(folder string) { _ = unix.Rmdir(folder) }
