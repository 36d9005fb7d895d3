package dir

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// Snapshot copies the volume while nobody writes to it.
func (p *Pool) Snapshot(ctx context.Context, id, name string) error {
	if err := storage.CheckNames(id, name); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := readMeta(p.place(id))
	if disk.IsMissing(err) {
		return p.fault().Missing("make a snapshot", id, "")
	}
	if err == nil {
		_, err = os.Lstat(p.snapshotPlace(id, name))
		if err == nil {
			return inventory.Errorf(inventory.ErrExists,
				"make a snapshot: volume %s has a snapshot %s already", id, name)
		}
	}
	if disk.IsMissing(err) {
		err = p.keep(ctx, id, name, m)
	}
	if err != nil {
		_ = unix.Rmdir(p.in("kept", "snapshots", id))
		return p.fault().Fail(err, "make snapshot %s of volume %s", name, id)
	}
	return nil
}

func (p *Pool) keep(ctx context.Context, id, name string, m meta) error {
	if err := os.Mkdir(p.in("kept", "snapshots", id), 0o700); err != nil && !disk.IsThere(err) {
		return err
	}
	temporary := p.snapshotPlace(id, unfinished+name)
	err := p.whileStill(ctx, id, m, func() error { return p.copyOf(ctx, p.place(id), temporary, m) })
	if err == nil {
		p.config.Crash("snapshot.built")
		err = publish(temporary, p.snapshotPlace(id, name))
	}
	if err == nil {
		err = p.mountOne(p.snapshotPlace(id, name), p.SnapshotPath(id, name), true)
	}
	if err != nil {
		p.abandon(temporary)
		p.abandon(p.snapshotPlace(id, name))
	}
	return err
}

// copyOf copies a volume as it is, with its bound.
func (p *Pool) copyOf(ctx context.Context, folder, to string, m meta) error {
	if !m.Bounded {
		return p.build(ctx, to, sourceAt(folder, m), m)
	}
	if err := p.discard(to); err != nil {
		return err
	}
	if err := mkdirAs(to, 0o700); err != nil {
		return err
	}
	room := needed
	if p.copier.Plain.Load() {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(folder, imageName), &st); err != nil {
			return err
		}
		room += inventory.Bytes(st.Blocks) * 512
	}
	if err := p.needRoom(room); err != nil {
		return err
	}
	if err := p.copier.CopyFile(filepath.Join(folder, imageName), filepath.Join(to, imageName)); err != nil {
		return err
	}
	if err := mkdirAs(filepath.Join(to, rootName), 0o755); err != nil {
		return err
	}
	if err := writeMeta(to, m); err != nil {
		return err
	}
	return syncFile(filepath.Join(to, imageName))
}

// whileStill makes a copy of a volume as it is now, while nobody writes to it: the writers of a file
// system wait in the kernel, and the container of a tree is frozen. The file in frozen/ is there as
// long as the container may have been frozen by us.
func (p *Pool) whileStill(ctx context.Context, id string, m meta, copy func() error) error {
	if m.Bounded {
		if err := p.readyBounded(ctx, id); err != nil {
			return err
		}
		if err := freeze(p.Path(id)); err != nil {
			return err
		}
		defer p.thaw(id)
		return copy()
	}
	if !p.config.Freezer.Runs(id) {
		return copy()
	}
	note := p.in("frozen", id)
	if err := disk.WriteDurable(note, nil); err != nil {
		return err
	}
	err := p.config.Freezer.Freeze(ctx, id)
	if err == nil {
		err = copy()
	}
	if thawErr := p.config.Freezer.Thaw(context.WithoutCancel(ctx), id); thawErr != nil {
		return errors.Join(err, thawErr) // the note stays: ThawLeft tries again
	}
	return errors.Join(err, os.Remove(note))
}

func (p *Pool) thaw(id string) {
	if err := thaw(p.Path(id)); err != nil {
		p.config.Log.Error("a file system stays frozen", "pool", p.config.Name, "volume", id, "error", err)
	}
}

// RestoreSnapshot makes the volume what it was. The new one is built beside the old one, the two
// change names in one rename, and the old one goes.
func (p *Pool) RestoreSnapshot(ctx context.Context, id, name string) error {
	if err := storage.CheckNames(id, name); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	folder := p.snapshotPlace(id, name)
	m, err := readMeta(folder)
	if disk.IsMissing(err) {
		return p.fault().Missing("restore", id, name)
	}
	from := sourceAt(folder, m)
	if err == nil {
		var now meta
		if now, err = readMeta(p.place(id)); err == nil {
			m.Size = now.Size
		} else if disk.IsMissing(err) {
			m.Size, err = 0, nil
		}
	}
	if err == nil {
		err = p.replace(ctx, id, from, m)
	}
	if err != nil {
		return p.fault().Fail(err, "restore snapshot %s of volume %s", name, id)
	}
	return nil
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
	if err := p.removeSnapshot(id, name); err != nil {
		return p.fault().Fail(err, "delete snapshot %s of volume %s", name, id)
	}
	_ = unix.Rmdir(p.in("kept", "snapshots", id))
	return nil
}

func (p *Pool) removeSnapshot(id, name string) error {
	unmountAll(p.SnapshotPath(id, name))
	temporary := p.snapshotPlace(id, unfinished+name)
	if err := os.Rename(p.snapshotPlace(id, name), temporary); err != nil {
		if disk.IsMissing(err) {
			return nil
		}
		return err
	}
	return p.discard(temporary)
}
