package btrfs

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// Fill makes a volume of what fill writes. The volume is built and bounded under another name.
func (p *Pool) Fill(ctx context.Context, v storage.Volume, fill func(dir string) error) error {
	if err := v.Check(); err != nil {
		return err
	}
	defer p.locks.Take("volume " + v.ID)()
	if err := p.claimName(ctx, v); err != nil {
		return err
	}
	p.building.RLock()
	defer p.building.RUnlock()
	temporary := p.temporary(v.ID)
	err := p.buildFilled(ctx, v, fill)
	if err == nil {
		p.config.Crash("volume.built")
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.Path(v.ID), unix.RENAME_NOREPLACE)
	}
	if err == nil {
		err = commit(p.root)
	}
	if err != nil {
		p.discard(temporary)
		p.sweepSoon()
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	return nil
}

// buildFilled makes the unfinished volume, has it filled, and bounds it by what was written.
func (p *Pool) buildFilled(ctx context.Context, v storage.Volume, fill func(dir string) error) error {
	temporary := p.temporary(v.ID)
	if err := p.destroy(temporary); err != nil {
		return err
	}
	group, err := p.newGroup(v.ID)
	if err != nil {
		return err
	}
	if err := newRoot(temporary, group); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.boundFilled(temporary, group, v)
}

// newRoot creates a subvolume that is to be a root: everybody may go in.
func newRoot(path string, group uint64) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := createSubvolume(folder, filepath.Base(path), group); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// newGroup makes the group of a volume under simple quotas, empty and unbounded; 0 elsewhere.
func (p *Pool) newGroup(id string) (uint64, error) {
	if p.quota != QuotaSimple {
		return 0, nil
	}
	group := volumeGroup(id)
	return group, p.ensureGroup(group)
}

// boundFilled writes everything out, after which the kernel's count is right, and sets the bound.
func (p *Pool) boundFilled(path string, group uint64, v storage.Volume) error {
	f, err := openSubvolume(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil || p.quota == QuotaOff {
		return err
	}
	if group == 0 {
		if group, err = subvolumeID(f); err != nil {
			return err
		}
	}
	written, err := p.referenced(group)
	if err != nil {
		return err
	}
	return p.setBound(group, bound{size: v.Size, base: max(written-v.Held, 0)})
}

// Ready finds the volume: everything in the pool is usable as long as the pool is.
func (p *Pool) Ready(ctx context.Context, id string) error {
	if err := storage.CheckVolume(id); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := openSubvolume(p.Path(id))
	if disk.IsMissing(err) {
		return p.fault().Missing("use", id, "")
	}
	if err != nil {
		return p.fault().Fail(err, "use volume %s", id)
	}
	return f.Close()
}

// SnapshotPause is nothing: the kernel makes a snapshot between two commits.
func (p *Pool) SnapshotPause(_ context.Context, id string) (time.Duration, error) {
	return 0, storage.CheckVolume(id)
}
