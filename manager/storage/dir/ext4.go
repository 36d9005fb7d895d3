package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
	"lodge/manager/storage/tree"
)

const (
	block = 4096
	// leastSpare is what a new file system has beyond its contents before it is fitted: journal,
	// inode tables, what ext4 keeps for itself.
	leastSpare = 96 * inventory.MiB
	// needed is what making a file system may take of the pool at once, besides its contents.
	needed = 32 * inventory.MiB
)

// format makes a sparse file with an ext4 in it that has room for contents of that size. Nothing is
// written ahead: the file is zeros, which mkfs is told.
func format(ctx context.Context, file string, contents tree.Size) error {
	size := inventory.Bytes(contents.Bytes)*5/4 + inventory.Bytes(contents.Files)*512 + leastSpare
	size -= size % inventory.MiB
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(size)); err != nil {
		return err
	}
	perInode := min(max(int64(size)/(2*contents.Files+1000), block), 16384)
	return run(ctx, "mkfs.ext4", "-q", "-F", "-b", strconv.Itoa(block), "-m", "0", "-J", "size=16",
		"-i", strconv.FormatInt(perInode, 10), "-E",
		"nodiscard,lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1", file)
}

// run runs a program of e2fsprogs.
func run(ctx context.Context, name string, args ...string) error {
	program, err := disk.FindProgram(name, "e2fsprogs")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	output, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &programError{name, err, string(bytes.TrimSpace(output))}
	}
	return nil
}

// programError is a program that failed.
type programError struct {
	name   string
	err    error
	output string
}

func (e *programError) Error() string { return fmt.Sprintf("%s: %v: %s", e.name, e.err, e.output) }
func (e *programError) Unwrap() error { return e.err }

// mountOptions: noinit_itable, as the tables in a sparse file are zeros already; discard, so that
// deleted files give their room back; errors=remount-ro, so that a full host stops the writers before
// more is damaged.
const mountOptions = "noinit_itable,discard,errors=remount-ro"

// mountFile mounts the file system in a file on a folder, by a loop device of its own.
func mountFile(file, folder string, readOnly bool) error {
	f, err := os.OpenFile(file, os.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	dev, err := disk.AttachNew(f)
	if err != nil {
		return err
	}
	defer dev.Close()
	flags, options := uintptr(unix.MS_NOATIME), mountOptions
	if readOnly {
		// noload: it was made while frozen, so there is nothing in the journal.
		flags, options = flags|unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID, "noload,errors=remount-ro"
	}
	if err := unix.Mount(dev.Name(), folder, "ext4", flags, options); err != nil {
		return &os.PathError{Op: "mount", Path: file, Err: err}
	}
	return unix.Mount("", folder, "", unix.MS_PRIVATE, "")
}

// space is how full a mounted file system is.
type space struct{ used, free inventory.Bytes }

func spaceOf(folder string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return space{}, err
	}
	unit := inventory.Bytes(st.Bsize)
	return space{inventory.Bytes(st.Blocks-st.Bfree) * unit, inventory.Bytes(st.Bavail) * unit}, nil
}

// rounding is how far below its size a volume may be; ext4 grows by what its groups need.
const rounding = inventory.MiB

// fit makes what is free in the file system of a mounted volume what its size leaves. Growing may take
// two rounds, as ext4 takes a part for itself. It reports whether it would have to shrink.
func (p *Pool) fit(ctx context.Context, folder string, m meta) (tooLarge bool, err error) {
	root := filepath.Join(folder, rootName)
	size := m.Size
	if size == 0 {
		var host unix.Statfs_t
		if err := unix.Statfs(folder, &host); err != nil {
			return false, err
		}
		size = inventory.Bytes(host.Blocks) * inventory.Bytes(host.Bsize)
	}
	for range 4 {
		now, err := spaceOf(root)
		if err != nil {
			return false, err
		}
		lacking := size - max(now.used-m.Base, 0) - now.free
		switch {
		case m.Size > 0 && lacking < -(4*rounding+size/50):
			return true, nil
		case lacking <= rounding:
			return false, nil
		}
		// Inode tables and bitmaps of a group, and what delayed allocation keeps back (ext4's
		// s_resv_clusters, 2 % up to 16 MiB).
		if err := p.enlarge(ctx, folder, lacking+lacking/60+min(lacking/50, 16*inventory.MiB)); err != nil {
			return false, err
		}
	}
	return false, nil
}

// enlarge grows file, device and file system, while they are in use where the kernel lets us: that
// takes CAP_SYS_RESOURCE, which some hosts keep from their root. Else nobody may use the volume.
func (p *Pool) enlarge(ctx context.Context, folder string, by inventory.Bytes) error {
	file, root := filepath.Join(folder, imageName), filepath.Join(folder, rootName)
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	size := info.Size() + int64(by)
	size += (block - size%block) % block
	if err := os.Truncate(file, size); err != nil {
		return err
	}
	err = enlargeMounted(root, size)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := p.unmountFor(ctx, root, strangers); err != nil {
		return fmt.Errorf("this host lets nobody grow an ext4 in use (CAP_SYS_RESOURCE): %w", err)
	}
	err = run(ctx, "resize2fs", "-f", file)
	return errors.Join(err, mountFile(file, root, false))
}

func enlargeMounted(root string, size int64) error {
	dev, err := deviceOf(root)
	if err != nil {
		return err
	}
	defer dev.Close()
	if err := unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return err
	}
	return growMounted(root, uint64(size/block))
}

// deviceOf opens the loop device mounted on a folder.
func deviceOf(root string) (*os.File, error) {
	source, err := disk.MountedAt(root)
	if err != nil {
		return nil, err
	}
	if source == "" {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "%s is not mounted", root)
	}
	return os.OpenFile(source, os.O_RDWR|unix.O_CLOEXEC, 0)
}

// growMounted is EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64) of fs/ext4/ext4.h: what resize2fs(8) does.
func growMounted(root string, blocks uint64) error {
	f, err := os.Open(root)
	if err != nil {
		return err
	}
	defer f.Close()
	const request = 1<<30 | 8<<16 | 'f'<<8 | 16
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&blocks)))
	if errno != 0 {
		return fmt.Errorf("grow the file system: %w", errno)
	}
	return nil
}

// shrink makes an unmounted file system smaller, to about that many bytes.
func shrink(ctx context.Context, file string, size inventory.Bytes) error {
	err := run(ctx, "resize2fs", "-f", file, strconv.FormatInt(int64(size)/block, 10))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// check repairs what can be repaired without a question; its exit code 1 says that it did (e2fsck(8)).
func check(ctx context.Context, file, how string) error {
	err := run(ctx, "e2fsck", how, file)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return err
}

// freeze is FIFREEZE of linux/fs.h: everything is written out, and writers wait.
func freeze(root string) error { return frozenIoctl(root, 119) }

// thaw is FITHAW; EINVAL when it isn't frozen.
func thaw(root string) error { return frozenIoctl(root, 120) }

func frozenIoctl(root string, number uintptr) error {
	f, err := os.Open(root)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 3<<30|4<<16|'X'<<8|number, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// isUsed reports whether a loop device that nothing is mounted from here is still in use elsewhere: a
// container's root is a mount of its own.
func isUsed(device string) bool {
	f, err := os.OpenFile(device, os.O_RDONLY|os.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Is(err, unix.EBUSY)
	}
	f.Close()
	return false
}
