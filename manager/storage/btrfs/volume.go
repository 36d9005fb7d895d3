package btrfs

import (
	"context"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// Create makes a volume from an image.
func (p *Pool) Create(ctx context.Context, v storage.Volume, image string) error {
	if err := v.Check(); err != nil {
		return err
	}
	if _, err := storage.ImageHex(image); err != nil {
		return err
	}
	defer p.locks.Take("volume "+v.ID, "image "+image)()
	src, err := openSubvolume(p.ImagePath(image))
	if disk.IsMissing(err) {
		return inventory.Errorf(inventory.ErrNotFound, "make volume %s: image %s is not in pool %s",
			v.ID, image, p.config.Name)
	}
	if err != nil {
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	defer src.Close()
	return p.makeVolume(ctx, src, v)
}

// Clone makes a volume from another one or a snapshot of it.
func (p *Pool) Clone(ctx context.Context, from, snapshot string, to storage.Volume) error {
	if err := storage.CheckClone(from, snapshot, to); err != nil {
		return err
	}
	path := p.Path(from)
	if snapshot != "" {
		path = p.SnapshotPath(from, snapshot)
	}
	defer p.locks.Take("volume "+from, "volume "+to.ID)()
	src, err := openSubvolume(path)
	if disk.IsMissing(err) {
		return p.fault().Missing("clone", from, snapshot)
	}
	if err != nil {
		return p.fault().Fail(err, "clone volume %s", from)
	}
	defer src.Close()
	p.warnNested(src, from)
	return p.makeVolume(ctx, src, to)
}

// Resize changes what bounds a volume.
func (p *Pool) Resize(ctx context.Context, id string, size inventory.Bytes) error {
	if err := (storage.Volume{ID: id, Size: size}).Check(); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
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
		return p.fault().Fail(err, "resize volume %s", id)
	}
	if err := commit(p.root); err != nil {
		return p.fault().Fail(err, "resize volume %s", id)
	}
	return nil
}

// Delete removes a volume and its snapshots. The volume goes last: while it is there, the deletion
// is not done.
func (p *Pool) Delete(ctx context.Context, id string) error {
	if err := storage.CheckVolume(id); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	names, err := p.snapshotNames(id)
	if err != nil {
		return p.fault().Fail(err, "delete volume %s", id)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.destroy(p.SnapshotPath(id, name)); err != nil {
			return p.fault().Fail(err, "delete snapshot %s of volume %s", name, id)
		}
		p.config.Crash("delete.snapshots")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.destroy(p.Path(id)); err != nil {
		return p.fault().Fail(err, "delete volume %s", id)
	}
	p.config.Crash("delete.volume")
	p.removeEmpty(p.snapshotsOf(id))
	p.sweepSoon()
	return nil
}
