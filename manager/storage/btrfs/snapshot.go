package btrfs

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// Snapshot keeps a volume as it is now. The kernel flushes what was written to the volume, makes the
// snapshot and commits, all in one call.
func (p *Pool) Snapshot(ctx context.Context, id, name string) error {
	if err := storage.CheckNames(id, name); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	src, err := openSubvolume(p.Path(id))
	if disk.IsMissing(err) {
		return p.fault().Missing("make a snapshot", id, "")
	}
	if err != nil {
		return p.fault().Fail(err, "make snapshot %s of volume %s", name, id)
	}
	defer src.Close()
	p.warnNested(src, id)
	err = p.snapshotOf(src, id, name)
	if disk.IsThere(err) {
		return inventory.Errorf(inventory.ErrExists,
			"make a snapshot: volume %s has a snapshot %s already", id, name)
	}
	if err != nil {
		p.removeEmpty(p.snapshotsOf(id))
		return p.fault().Fail(err, "make snapshot %s of volume %s", name, id)
	}
	return nil
}

func (p *Pool) snapshotOf(src *os.File, id, name string) error {
	if err := os.Mkdir(p.snapshotsOf(id), 0o700); err != nil && !disk.IsThere(err) {
		return err
	}
	group, err := p.joined(id)
	if err != nil {
		return err
	}
	return snapshotTo(src, p.SnapshotPath(id, name), true, group)
}

// joined is the group a snapshot or a restored volume becomes a member of: under simple quotas that
// of the volume, so that what only snapshots hold is charged to the volume over restores as well.
func (p *Pool) joined(id string) (uint64, error) {
	if p.quota != QuotaSimple {
		return 0, nil
	}
	return p.counted(id)
}

// warnNested tells of subvolumes inside a volume: a snapshot has empty folders in their place.
func (p *Pool) warnNested(src *os.File, id string) {
	children, err := p.childrenOf(src)
	if err == nil && len(children) > 0 {
		p.config.Log.Warn("a volume has subvolumes inside, which its snapshots and clones don't hold",
			"volume", id, "subvolumes", len(children))
	}
}

// RestoreSnapshot makes the volume what it was. The new tree is built beside the old one, the two
// change names in one rename, and the old tree goes.
func (p *Pool) RestoreSnapshot(ctx context.Context, id, name string) error {
	if err := storage.CheckNames(id, name); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	src, err := openSubvolume(p.SnapshotPath(id, name))
	if disk.IsMissing(err) {
		return p.fault().Missing("restore", id, name)
	}
	if err != nil {
		return p.fault().Fail(err, "restore snapshot %s of volume %s", name, id)
	}
	defer src.Close()
	if err := p.restore(src, id); err != nil {
		return p.fault().Fail(err, "restore snapshot %s of volume %s", name, id)
	}
	p.sweepSoon()
	return nil
}

func (p *Pool) restore(src *os.File, id string) error {
	temporary := p.temporary(id)
	err := p.buildRestored(src, id)
	if err == nil {
		p.config.Crash("restore.built")
		err = p.swap(temporary, p.Path(id))
	}
	if err != nil {
		p.discard(temporary)
		return err
	}
	p.config.Crash("restore.swapped")
	// Without the commit, a power failure could bring the old tree back after "done".
	if err := commit(p.root); err != nil {
		return err
	}
	p.discard(temporary)
	return nil
}

func (p *Pool) buildRestored(src *os.File, id string) error {
	p.building.RLock()
	defer p.building.RUnlock()
	if p.quota == QuotaGroups {
		return p.buildRestoredLimited(src, id)
	}
	if err := p.destroy(p.temporary(id)); err != nil {
		return err
	}
	group, err := p.joined(id)
	if err != nil {
		return err
	}
	return snapshotTo(src, p.temporary(id), false, group)
}

// buildRestoredLimited gives the new tree the present size and the base of the snapshot, which it
// got from the volume when it was made.
func (p *Pool) buildRestoredLimited(src *os.File, id string) error {
	from, err := subvolumeID(src)
	if err != nil {
		return err
	}
	b, err := p.bound(from)
	if err != nil {
		return err
	}
	if present, err := groupAt(p.Path(id)); err == nil {
		now, err := p.bound(present)
		if err != nil {
			return err
		}
		b.size = now.size
	} else if !disk.IsMissing(err) {
		return err
	}
	if err := p.buildLimited(src, p.temporary(id), b.size); err != nil {
		return err
	}
	group, err := groupAt(p.temporary(id))
	if err != nil {
		return err
	}
	return p.setBound(group, b)
}

// swap exchanges two subvolumes in one step, or gives the first one the other's name when there is
// no other. btrfs allows an exchange across subvolumes for their root folders (rename(2)).
func (p *Pool) swap(temporary, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	if disk.IsMissing(err) {
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	}
	return err
}

// DeleteSnapshot removes a snapshot.
func (p *Pool) DeleteSnapshot(ctx context.Context, id, name string) error {
	if err := storage.CheckNames(id, name); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.destroy(p.SnapshotPath(id, name)); err != nil {
		return p.fault().Fail(err, "delete snapshot %s of volume %s", name, id)
	}
	p.removeEmpty(p.snapshotsOf(id))
	p.sweepSoon()
	return nil
}
