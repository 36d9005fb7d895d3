package btrfs

import (
	"context"

	"golang.org/x/sys/unix"

	"lodge/manager/storage"
)

// CreateEmpty makes a volume that holds nothing.
func (p *Pool) CreateEmpty(ctx context.Context, v storage.Volume) error {
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
	err := p.buildEmpty(v, temporary)
	if err == nil {
		p.config.Crash("empty.built")
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.Path(v.ID), unix.RENAME_NOREPLACE)
	}
	if err == nil {
		err = commit(p.root)
	}
	if err != nil {
		p.discard(temporary)
		if p.quota == QuotaSimple {
			_ = changeGroup(p.root, volumeGroup(v.ID), false)
		}
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	return nil
}

// buildEmpty makes and bounds the volume under another name: it gets its own only when its folder has
// the mode it is to have.
func (p *Pool) buildEmpty(v storage.Volume, temporary string) error {
	if err := p.destroy(temporary); err != nil {
		return err
	}
	group, err := p.newGroup(v.ID)
	if err != nil {
		return err
	}
	if group != 0 {
		if err := p.setBound(group, bound{size: v.Size}); err != nil {
			return err
		}
	}
	if err := newRoot(temporary, group); err != nil {
		return err
	}
	if p.quota != QuotaGroups {
		return nil
	}
	if group, err = groupAt(temporary); err != nil {
		return err
	}
	return p.setBound(group, bound{size: v.Size})
}
