package liblxc

// #include "userns.h"
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// idRange is how many ids a container has.
const idRange = 65536

// A root is a root file system to be mounted with the container's ids before it starts.
type root struct {
	source string // on the pool, with the ids as the container sees them
	target string // the mount point, in a folder of its own
	base   int    // the first host id of the container
}

// mount makes the target show the source with the container's ids (mount_setattr(2), Linux 5.12).
// liblxc can do that itself, but 5.0.2 forgets it when the container reboots, and looks for the
// source as the container's root, who may not enter the pool. A mount of ours is there for every
// boot. It has no device nodes: a container's are on a file system of their own.
//
// Its folder belongs to the container's root and is closed to all others: files with real setuid
// bits are below.
func (r root) mount() error {
	if err := r.makeTarget(); err != nil {
		return err
	}
	for unix.Unmount(r.target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil { // of a run that nobody saw end
	}
	ns := C.lodge_userns(C.uint(r.base), idRange)
	if ns < 0 {
		return fmt.Errorf("make a user namespace: %w", unix.Errno(-ns))
	}
	defer unix.Close(int(ns))
	tree, err := unix.OpenTree(unix.AT_FDCWD, r.source,
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("open %s: %w", r.source, err)
	}
	defer unix.Close(tree)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE, Userns_fd: uint64(ns)}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return fmt.Errorf("map the ids of %s: %w", r.source, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, r.target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount on %s: %w", r.target, err)
	}
	return nil
}

func (r root) makeTarget() error {
	dir := filepath.Dir(r.target)
	for _, d := range []string{dir, r.target} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return os.Chown(dir, r.base, r.base)
}

// unmount takes the mount away again, after a start that failed.
func (r root) unmount() { unix.Unmount(r.target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) }

// parseRoot reads SOURCE TARGET BASE; no arguments are no root, for a privileged container.
func parseRoot(args []string) (*root, error) {
	if len(args) == 0 {
		return nil, nil
	}
	base, err := strconv.Atoi(args[2])
	if err != nil || base < idRange {
		return nil, fmt.Errorf("%q is no first id of a container", args[2])
	}
	return &root{args[0], args[1], base}, nil
}
