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

// A source is what a volume or snapshot is made from.
type source struct {
	root string // the folder with its files
	file string // its file system, for copies of the whole; "" for a tree
	held inventory.Bytes
}

// build makes the folder of a volume as it is to be, durable but for its name. m.Size decides whether
// it is a file system; m.Base is filled in when it is negative.
func (p *Pool) build(ctx context.Context, folder string, from source, m meta) error {
	if err := p.discard(folder); err != nil {
		return err
	}
	if err := mkdirAs(folder, 0o700); err != nil {
		return err
	}
	began := time.Now()
	var err error
	switch {
	case from.file != "":
		err = p.buildFromFile(ctx, folder, from, &m)
	case m.Size > 0:
		err = p.buildBounded(ctx, folder, from, &m)
	default:
		err = p.buildTree(ctx, folder, from, &m)
	}
	if err != nil {
		return err
	}
	p.noteRate(folder, time.Since(began))
	if err := writeMeta(folder, m); err != nil {
		return err
	}
	if m.Bounded {
		return syncFile(filepath.Join(folder, imageName))
	}
	return syncAll(folder)
}

func (p *Pool) buildTree(ctx context.Context, folder string, from source, m *meta) error {
	root := filepath.Join(folder, rootName)
	if err := mkdirAs(root, 0o755); err != nil {
		return err
	}
	if err := p.copier.Copy(ctx, from.root, root); err != nil {
		return err
	}
	return p.baseOfTree(ctx, root, from, m)
}

// baseOfTree measures what the tree was made from, unless that is known.
func (p *Pool) baseOfTree(ctx context.Context, root string, from source, m *meta) error {
	if m.Base >= 0 {
		return nil
	}
	size, err := tree.Measure(ctx, root)
	m.Base = max(inventory.Bytes(size.Bytes)-from.held, 0)
	return err
}

// buildBounded makes a file system of a tree.
func (p *Pool) buildBounded(ctx context.Context, folder string, from source, m *meta) error {
	if err := p.canBound(); err != nil {
		return err
	}
	err := p.fileSystemOf(ctx, from.root, filepath.Join(folder, imageName), filepath.Join(folder, rootName))
	if err != nil {
		return err
	}
	m.Bounded = true
	return p.settle(ctx, folder, from, m)
}

func (p *Pool) canBound() error {
	if p.bounds {
		return nil
	}
	return inventory.Errorf(inventory.ErrUnavailable,
		"pool %s can't enforce a size: that takes loop devices and mkfs.ext4; load the module loop and install e2fsprogs", p.config.Name)
}

// buildFromFile copies a whole file system. It was frozen or never mounted, so it is clean.
func (p *Pool) buildFromFile(ctx context.Context, folder string, from source, m *meta) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(from.file, &st); err != nil {
		return err
	}
	room := needed
	if p.copier.Plain.Load() {
		room += inventory.Bytes(st.Blocks) * 512
	}
	if err := p.needRoom(room); err != nil {
		return err
	}
	file, root := filepath.Join(folder, imageName), filepath.Join(folder, rootName)
	if err := p.copier.CopyFile(from.file, file); err != nil {
		return err
	}
	if err := mkdirAs(root, 0o755); err != nil {
		return err
	}
	m.Bounded = true
	if err := mountFile(file, root, false); err != nil {
		return err
	}
	return p.settle(ctx, folder, from, m)
}

// settle notes the base of a file system that was just made and fits it to its size.
func (p *Pool) settle(ctx context.Context, folder string, from source, m *meta) error {
	root := filepath.Join(folder, rootName)
	if m.Base < 0 {
		now, err := spaceOf(root)
		if err != nil {
			return err
		}
		m.Base = max(now.used-from.held, 0)
	}
	tooLarge, err := p.fit(ctx, folder, *m)
	if err == nil && tooLarge {
		err = p.shrinkTo(ctx, folder, *m)
	}
	if err != nil {
		return err
	}
	return syncAll(root)
}

// shrinkTo makes the file system of a volume nobody uses smaller: by more than is needed, as a smaller
// one needs less for itself, and then fits it from there. Where that is less than ext4 can do with, it
// is shrunk by less.
func (p *Pool) shrinkTo(ctx context.Context, folder string, m meta) error {
	root, file := filepath.Join(folder, rootName), filepath.Join(folder, imageName)
	now, err := spaceOf(root)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	surplus := now.free - (m.Size - max(now.used-m.Base, 0))
	if err := p.unmountFor(ctx, root, strangers); err != nil {
		return err
	}
	if err = check(ctx, file, "-fp"); err == nil {
		old := inventory.Bytes(info.Size())
		if err = shrink(ctx, file, old-surplus-surplus/40-20*inventory.MiB); err != nil {
			err = shrink(ctx, file, old-surplus)
		}
	}
	if mountErr := mountFile(file, root, false); err == nil {
		err = mountErr
	}
	if err != nil {
		return err
	}
	_ = unix.Rmdir(filepath.Join(root, "lost+found")) // of the check
	_, err = p.fit(ctx, folder, m)
	return err
}

// unmountUnused unmounts the file system of a volume, or leaves it mounted and is ErrState when it is
// in use, here or as the root of a container.
func (p *Pool) unmountUnused(root string) error {
	device, err := disk.MountedAt(root)
	if err != nil || device == "" {
		return err
	}
	dev, err := os.OpenFile(device, os.O_RDWR|unix.O_CLOEXEC, 0) // or the device would vanish with its mount
	if err != nil {
		return err
	}
	defer dev.Close()
	err = unix.Unmount(root, unix.UMOUNT_NOFOLLOW)
	if err == nil && isUsed(device) {
		if err = unix.Mount(device, root, "ext4", unix.MS_NOATIME, mountOptions); err == nil {
			err = unix.Mount("", root, "", unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.EBUSY
		}
	}
	if err == unix.EBUSY {
		return inventory.Errorf(inventory.ErrState, "its file system can only be changed so while nobody uses it; stop the container first")
	}
	return err
}

const (
	// lateUsers is how long the mounts of a container that was just killed may outlive its init.
	lateUsers = 10 * time.Second
	// strangers is how long a file system may be in use that nobody has been given: a process that was
	// forked a moment ago has our open files until it executes, and one that takes a mount namespace of
	// its own has all our mounts until it drops them.
	strangers = time.Second
)

// unmountSoon is unmountUnused for a volume whose container has ended a moment ago.
func (p *Pool) unmountSoon(ctx context.Context, root string) error {
	return p.unmountFor(ctx, root, lateUsers)
}

// unmountFor is unmountUnused, tried again for so long.
func (p *Pool) unmountFor(ctx context.Context, root string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := p.unmountUnused(root)
		if !errors.Is(err, inventory.ErrState) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// noteRate keeps how fast copies are made here.
func (p *Pool) noteRate(folder string, took time.Duration) {
	var st unix.Stat_t
	if unix.Stat(filepath.Join(folder, imageName), &st) != nil || took < 50*time.Millisecond || !p.copier.Plain.Load() {
		return
	}
	p.mu.Lock()
	p.rate = (p.rate + float64(st.Blocks*512)/took.Seconds()) / 2
	p.mu.Unlock()
}

// put makes a volume: built under another name, then given its own.
func (p *Pool) put(ctx context.Context, v storage.Volume, from source, base inventory.Bytes) error {
	if err := p.claimName(ctx, v); err != nil {
		return err
	}
	temporary := p.temporary(v.ID)
	err := p.build(ctx, temporary, from, meta{Size: v.Size, Base: base})
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

// claimName is where making a volume begins: ErrExists if it is there.
func (p *Pool) claimName(ctx context.Context, v storage.Volume) error {
	_, err := os.Lstat(p.place(v.ID))
	if err == nil {
		return inventory.Errorf(inventory.ErrExists, "make volume %s: it is in pool %s already", v.ID, p.config.Name)
	}
	if !disk.IsMissing(err) {
		return p.fault().Fail(err, "make volume %s", v.ID)
	}
	return ctx.Err()
}
