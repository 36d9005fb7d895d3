package btrfs

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// makeVolume makes v a writable snapshot of src. The caller holds the lock of v.
func (p *Pool) makeVolume(ctx context.Context, src *os.File, v storage.Volume) error {
	if err := p.claimName(ctx, v); err != nil {
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
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	return nil
}

// claimName is where making a volume begins: ErrExists if it is there.
func (p *Pool) claimName(ctx context.Context, v storage.Volume) error {
	if there, err := exists(p.Path(v.ID)); err != nil {
		return p.fault().Fail(err, "make volume %s", v.ID)
	} else if there {
		return inventory.Errorf(inventory.ErrExists, "make volume %s: it is in pool %s already",
			v.ID, p.config.Name)
	}
	return ctx.Err()
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
	if disk.IsThere(err) {
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

// removeEmpty removes a folder unless something is in it.
func (p *Pool) removeEmpty(folder string) { _ = unix.Rmdir(folder) }
