package btrfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// ensureFile makes the pool's file unless it is there: allocated in full, formatted, and only then
// given its name, so that a file with the name is always a whole file system. A crash leaves a file
// ending in .new, which the next call removes.
func (p *Pool) ensureFile(ctx context.Context) error {
	name, unfinished := p.config.file(), p.config.file()+".new"
	if _, err := os.Stat(name); !disk.IsMissing(err) {
		return err
	}
	// A file that was deleted while it was mounted lives on as long as the mount. Making another
	// would hide that all containers vanish with the next boot.
	if source, err := disk.MountedAt(p.config.base()); err != nil {
		return err
	} else if source != "" {
		return inventory.Errorf(inventory.ErrState,
			"open pool %s: its file %s is gone, but something is mounted at %s; if it is the pool, copy it before the next boot",
			p.config.Name, name, p.config.base())
	}
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	err := p.makeFile(ctx, unfinished)
	if err == nil {
		err = os.Rename(unfinished, name)
	}
	if err != nil {
		os.Remove(unfinished)
		return err
	}
	return disk.SyncFolder(filepath.Dir(name))
}

func (p *Pool) makeFile(ctx context.Context, name string) error {
	var room unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(name), &room); err != nil {
		return err
	}
	size, err := chooseSize(p.config.Size, inventory.Bytes(room.Bavail)*inventory.Bytes(room.Bsize))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.allocate(f, 0, size); err != nil {
		return err
	}
	p.config.Crash("file.allocated")
	if err := p.format(ctx, name); err != nil {
		return err
	}
	p.config.Crash("file.formatted")
	p.config.Log.Info("made the pool's file", "file", p.config.file(), "size", size.String())
	return f.Sync()
}

// noCopyOnWrite is FS_NOCOW_FL of linux/fs.h.
const noCopyOnWrite = 0x00800000

// allocate takes room on the host for the bytes from old to size, so that the pool can't meet a full
// host later: btrfs over a loop device whose writes fail turns read-only.
func (p *Pool) allocate(f *os.File, old, size inventory.Bytes) error {
	if old == 0 {
		// On a host that is btrfs itself, every overwrite would go elsewhere and undo the
		// allocation. Only possible while the file is empty; other file systems refuse: fine.
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, noCopyOnWrite)
	}
	err := unix.Fallocate(int(f.Fd()), 0, int64(old), int64(size-old))
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return inventory.Errorf(inventory.ErrQuota,
			"make room for the pool: the host's file system below %s has no %v left", filepath.Dir(f.Name()), size-old)
	case errors.Is(err, unix.EOPNOTSUPP):
		p.config.Log.Warn("the host's file system can't allocate ahead; the pool fails if it fills up", "file", f.Name())
		return f.Truncate(int64(size))
	}
	return err
}

// format makes the file system, on the file itself: no device is needed for that.
//
// Metadata is kept twice: the file lies on a file system that has no checksums, and one flipped bit
// in a single copy of a tree would cost every container. --nodiscard keeps the allocation.
func (p *Pool) format(ctx context.Context, name string) error {
	program, err := disk.FindProgram("mkfs.btrfs", "btrfs-progs")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "--quiet", "--nodiscard", "--label", p.config.label(),
		"--metadata", "dup", "--data", "single", "--nodesize", "16384", name)
	cmd.Env = []string{"LC_ALL=C"}
	if output, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return inventory.Errorf(inventory.ErrUnavailable, "make the pool: mkfs.btrfs: %w: %s", err,
			bytes.TrimSpace(output))
	}
	return nil
}

// readSuper returns the id and the label of the btrfs in a file or device, from its superblock
// (btrfs.readthedocs.io, On-disk format: superblock at 64 KiB).
func readSuper(f *os.File) (fsid [16]byte, label string, err error) {
	super := make([]byte, 4096)
	if _, err := f.ReadAt(super, 64<<10); err != nil {
		return fsid, "", fmt.Errorf("read the superblock of %s: %w", f.Name(), err)
	}
	if string(super[0x40:0x48]) != "_BHRfS_M" || binary.LittleEndian.Uint64(super[0x30:]) != 64<<10 {
		return fsid, "", inventory.Errorf(inventory.ErrState, "%s holds no btrfs", f.Name())
	}
	copy(fsid[:], super[0x20:0x30])
	label, _, _ = strings.Cut(string(super[0x12b:0x12b+256]), "\x00")
	return fsid, label, nil
}
