package dir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
	"lodge/manager/storage/tree"
)

// Create makes a volume from an image: a copy of its tree, or of the file system made of it.
func (p *Pool) Create(ctx context.Context, v storage.Volume, image string) error {
	if err := v.Check(); err != nil {
		return err
	}
	hex, err := storage.ImageHex(image)
	if err != nil {
		return err
	}
	defer p.locks.Take("volume "+v.ID, "image "+image)()
	if err := p.claimName(ctx, v); err != nil {
		return err
	}
	if has, err := p.HasImage(ctx, image); err != nil {
		return err
	} else if !has {
		return inventory.Errorf(inventory.ErrNotFound, "make volume %s: image %s is not in pool %s",
			v.ID, image, p.config.Name)
	}
	from := source{root: p.imagePlace(hex)}
	if v.Size > 0 {
		if err := p.canBound(); err != nil {
			return err
		}
		if from.file, err = p.template(ctx, hex); err != nil {
			return p.fault().Fail(err, "make volume %s", v.ID)
		}
	}
	return p.put(ctx, v, from, -1)
}

// CreateEmpty makes a volume that holds nothing.
func (p *Pool) CreateEmpty(ctx context.Context, v storage.Volume) error {
	return p.fill(ctx, v, tree.Size{Bytes: int64(v.Size)}, func(string) error { return nil })
}

// Fill makes a volume of what fill writes. Nobody knows yet how much that is, so it gets more room than
// its size and any image together, and what is not needed is taken away again.
func (p *Pool) Fill(ctx context.Context, v storage.Volume, fill func(dir string) error) error {
	return p.fill(ctx, v, tree.Size{Bytes: int64(v.Size + 4*inventory.GiB), Files: 200_000}, fill)
}

func (p *Pool) fill(ctx context.Context, v storage.Volume, expected tree.Size, fill func(dir string) error) error {
	if err := v.Check(); err != nil {
		return err
	}
	defer p.locks.Take("volume " + v.ID)()
	if err := p.claimName(ctx, v); err != nil {
		return err
	}
	temporary := p.temporary(v.ID)
	err := p.buildFilled(ctx, temporary, v, expected, fill)
	if err == nil {
		p.config.Crash("volume.built")
		err = publish(temporary, p.place(v.ID))
	}
	if err != nil {
		p.abandon(temporary)
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	return nil
}

func (p *Pool) buildFilled(ctx context.Context, folder string, v storage.Volume, expected tree.Size,
	fill func(dir string) error) error {
	if err := p.discard(folder); err != nil {
		return err
	}
	if err := mkdirAs(folder, 0o700); err != nil {
		return err
	}
	m, from := meta{Size: v.Size, Base: -1, Bounded: v.Size > 0}, source{held: v.Held}
	root := filepath.Join(folder, rootName)
	var err error
	if m.Bounded {
		if err = p.canBound(); err == nil {
			err = p.newFileSystem(ctx, expected, 0, filepath.Join(folder, imageName), root)
		}
	} else {
		err = mkdirAs(root, 0o755)
	}
	if err != nil {
		return err
	}
	if err := fill(root); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.finishFilled(ctx, folder, from, &m); err != nil {
		return err
	}
	return writeMeta(folder, m)
}

func (p *Pool) finishFilled(ctx context.Context, folder string, from source, m *meta) error {
	root := filepath.Join(folder, rootName)
	if err := syncAll(root); err != nil || !m.Bounded {
		return errors.Join(err, p.baseOfTree(ctx, root, from, m))
	}
	if err := p.settle(ctx, folder, from, m); err != nil {
		return err
	}
	return syncFile(filepath.Join(folder, imageName))
}

// Clone makes a volume from another one or a snapshot of it.
func (p *Pool) Clone(ctx context.Context, from, snapshot string, to storage.Volume) error {
	if err := storage.CheckClone(from, snapshot, to); err != nil {
		return err
	}
	folder := p.place(from)
	if snapshot != "" {
		folder = p.snapshotPlace(from, snapshot)
	}
	defer p.locks.Take("volume "+from, "volume "+to.ID)()
	m, err := readMeta(folder)
	if disk.IsMissing(err) {
		return p.fault().Missing("clone", from, snapshot)
	}
	if err != nil {
		return p.fault().Fail(err, "clone volume %s", from)
	}
	if err := p.claimName(ctx, to); err != nil {
		return err
	}
	make := func() error { return p.put(ctx, to, sourceAt(folder, m), -1) }
	if snapshot != "" {
		return make()
	}
	return p.whileStill(ctx, from, m, make)
}

func sourceAt(folder string, m meta) source {
	s := source{root: filepath.Join(folder, rootName)}
	if m.Bounded {
		s.file = filepath.Join(folder, imageName)
	}
	return s
}

// Ready mounts the volume's file system if it isn't, and repairs one that an error has stopped.
func (p *Pool) Ready(ctx context.Context, id string) error {
	if err := storage.CheckVolume(id); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := readMeta(p.place(id))
	if disk.IsMissing(err) {
		return p.fault().Missing("use", id, "")
	}
	if err == nil && m.Bounded {
		err = p.readyBounded(ctx, id)
	}
	if err != nil {
		return p.fault().Fail(err, "use volume %s", id)
	}
	return nil
}

func (p *Pool) readyBounded(ctx context.Context, id string) error {
	root, file := p.Path(id), filepath.Join(p.place(id), imageName)
	source, err := disk.MountedAt(root)
	if err != nil {
		return err
	}
	if source != "" {
		var st unix.Statfs_t
		if err := unix.Statfs(root, &st); err != nil {
			return err
		}
		if st.Flags&unix.ST_RDONLY == 0 && !hasStopped(source) && takesFiles(root) {
			return nil
		}
		if err := p.unmountSoon(ctx, root); err != nil {
			return err
		}
		if err := p.needRoom(needed); err != nil { // or it would stop again at once
			return errors.Join(err, mountFile(file, root, false))
		}
		p.config.Log.Warn("repairing a file system that an error has stopped", "pool", p.config.Name, "volume", id)
		if err := check(ctx, file, "-fp"); err != nil {
			return inventory.Errorf(inventory.ErrUnavailable, "its file system needs a repair by hand, with e2fsck %s: %w", file, err)
		}
	}
	if err := mountFile(file, root, false); err != nil {
		return err
	}
	_ = unix.Rmdir(filepath.Join(root, "lost+found")) // of the check
	return nil
}

// takesFiles reports whether ext4 still begins transactions: after its journal has failed, nothing else
// shows that before somebody writes. A file system that is only full takes files.
func takesFiles(root string) bool {
	fd, err := unix.Open(root, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EIO)
}

// hasStopped reports whether ext4 has met errors that it keeps a count of.
func hasStopped(device string) bool {
	text, err := os.ReadFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "errors_count"))
	return err == nil && len(text) > 0 && text[0] != '0'
}

// Resize changes what bounds a volume.
func (p *Pool) Resize(ctx context.Context, id string, size inventory.Bytes) error {
	if err := (storage.Volume{ID: id, Size: size}).Check(); err != nil {
		return err
	}
	defer p.locks.Take("volume " + id)()
	used, m, err := p.measure(ctx, "resize", id)
	if err != nil {
		return err
	}
	if size != 0 && size < used {
		return inventory.Errorf(inventory.ErrQuota,
			"resize volume %s to %v: it holds %v; delete files, or choose a larger size", id, size, used)
	}
	if err := p.resize(ctx, id, size, used, m); err != nil {
		return p.fault().Fail(err, "resize volume %s to %v", id, size)
	}
	return nil
}

func (p *Pool) resize(ctx context.Context, id string, size, used inventory.Bytes, m meta) error {
	if !m.Bounded && size == 0 {
		return nil
	}
	if !m.Bounded {
		if p.config.Freezer.Runs(id) {
			return inventory.Errorf(inventory.ErrState,
				"it has no size yet, and gets a file system of its own with one; stop the container first")
		}
		from := sourceAt(p.place(id), m)
		from.held = used
		return p.replace(ctx, id, from, meta{Size: size, Base: -1})
	}
	m.Size = size
	tooLarge, err := p.fit(ctx, p.place(id), m)
	if err == nil && tooLarge {
		err = p.shrinkTo(ctx, p.place(id), m)
	}
	if err != nil {
		return err
	}
	return writeMeta(p.place(id), m)
}

// replace builds the next state of a volume beside the present one and exchanges the two in one step.
func (p *Pool) replace(ctx context.Context, id string, from source, m meta) error {
	temporary := p.temporary(id)
	err := p.build(ctx, temporary, from, m)
	if err == nil {
		p.config.Crash("restore.built")
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.place(id), unix.RENAME_EXCHANGE)
		if disk.IsMissing(err) {
			err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.place(id), unix.RENAME_NOREPLACE)
		}
	}
	if err != nil {
		p.abandon(temporary)
		return err
	}
	p.config.Crash("restore.swapped")
	if err := disk.SyncFolder(p.in("containers")); err != nil {
		return err
	}
	p.abandon(temporary)
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
		if err := p.removeSnapshot(id, name); err != nil {
			return p.fault().Fail(err, "delete snapshot %s of volume %s", name, id)
		}
		p.config.Crash("delete.snapshots")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_ = unix.Rmdir(p.in("kept", "snapshots", id))
	err = os.Rename(p.place(id), p.temporary(id))
	if disk.IsMissing(err) {
		return nil
	}
	p.config.Crash("delete.volume")
	if err == nil {
		err = p.discard(p.temporary(id))
	}
	if err != nil {
		return p.fault().Fail(err, "delete volume %s", id)
	}
	return nil
}

// SnapshotPause is how long a copy would take; nobody notices one that shares its extents in one call.
func (p *Pool) SnapshotPause(ctx context.Context, id string) (time.Duration, error) {
	if err := storage.CheckVolume(id); err != nil {
		return 0, err
	}
	m, err := readMeta(p.place(id))
	if disk.IsMissing(err) {
		return 0, p.fault().Missing("measure", id, "")
	}
	if err != nil {
		return 0, p.fault().Fail(err, "measure volume %s", id)
	}
	p.mu.Lock()
	rate := p.rate
	p.mu.Unlock()
	const perFile = 60 * time.Microsecond
	if m.Bounded {
		if !p.copier.Plain.Load() {
			return 0, nil
		}
		var st unix.Stat_t
		err := unix.Stat(filepath.Join(p.place(id), imageName), &st)
		return time.Duration(float64(st.Blocks*512) / rate * float64(time.Second)), err
	}
	size, err := tree.Measure(ctx, p.Path(id))
	if err != nil {
		return 0, p.fault().Fail(err, "measure volume %s", id)
	}
	pause := time.Duration(size.Files) * perFile
	if p.copier.Plain.Load() {
		pause += time.Duration(float64(size.Bytes) / rate * float64(time.Second))
	}
	return pause, nil
}
