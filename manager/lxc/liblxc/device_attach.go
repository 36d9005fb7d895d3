package liblxc

// #include "locked.h"
// #include "userns.h"
import "C"

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// attach mounts the set in the container of that init. What is there already stays. The thread is in
// the container when it returns.
func attach(init process, set mounts.Set) error {
	ns := -1
	if set.IDBase != 0 {
		if ns = int(C.lodge_userns(C.uint(set.IDBase), idRange)); ns < 0 {
			return fmt.Errorf("make a user namespace: %w", unix.Errno(-ns))
		}
		defer unix.Close(ns)
	}
	all, err := openAll(set, ns)
	defer closeAll(all)
	if err != nil {
		return err
	}
	if ns >= 0 {
		if err := lock(all, ns); err != nil {
			return fmt.Errorf("lock the mounts: %w", err)
		}
	}
	taken := make([]string, len(all))
	for i, o := range all {
		if taken[i], err = topAt(init.pid, o.Target); err != nil {
			return err
		}
	}
	if err := init.enter(); err != nil {
		return err
	}
	for i, o := range all {
		if err := o.place(taken[i], set.IDBase); err != nil {
			return err
		}
	}
	return nil
}

func openAll(set mounts.Set, ns int) (all []opened, err error) {
	for _, m := range set.Mounts {
		o, err := open(m, ns, set.IDBase)
		if err != nil {
			return all, err
		}
		all = append(all, o)
	}
	return all, nil
}

// enter moves this thread into another mount namespace.
func enter(ns int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2): a thread that shares its root can't move
		return err
	}
	return unix.Setns(ns, unix.CLONE_NEWNS)
}

// stage is a folder that every host has. What is mounted on it is seen by this thread alone.
const stage = "/dev"

// lock replaces each tree by a copy whose flags the container's root can't change: without, it could
// make a read-only mount writable. See locked.c.
func lock(all []opened, userns int) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("lodge", stage, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		return err
	}
	for i, o := range all {
		if err := o.putOn(staged(i)); err != nil {
			return fmt.Errorf("device %s: %w", o.Device, err)
		}
	}
	copied := int(C.lodge_locked_mounts(C.int(userns)))
	if copied < 0 {
		return unix.Errno(-copied)
	}
	defer unix.Close(copied)
	if err := enter(copied); err != nil {
		return err
	}
	for i := range all {
		tree, err := unix.OpenTree(unix.AT_FDCWD, staged(i), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return err
		}
		unix.Close(all[i].tree)
		all[i].tree = tree
	}
	return nil
}

func staged(i int) string { return fmt.Sprintf("%s/%d", stage, i) }

func (o opened) putOn(path string) error {
	err := error(nil)
	if o.Kind == mounts.Node {
		err = os.WriteFile(path, nil, 0o600)
	} else {
		err = os.Mkdir(path, 0o700)
	}
	if err != nil {
		return err
	}
	return unix.MoveMount(o.tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// topAt is the source of what a process sees mounted on top at a path; "" for nothing.
func topAt(pid int, path string) (string, error) {
	found, err := mountsAt(pid, path)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[len(found)-1].source, nil
}

// place puts the tree where it belongs in the container this thread is in, unless it is there. taken is
// the source of what is mounted there now.
func (o opened) place(taken string, base uint32) error {
	target, err := findTarget(o.Mount, base)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if taken != "" {
		if o.isAt(target, taken) {
			return nil
		}
		return inventory.Errorf(inventory.ErrState,
			"device %s: something is mounted on %s in the container; unmount it there first, or choose another path",
			o.Device, o.Target)
	}
	err = unix.MoveMount(o.tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "device %s: it can't be mounted on %s: %v", o.Device, o.Target, err)
	}
	return nil
}

// isAt reports whether what is mounted at target is what the device shows.
func (o opened) isAt(target int, source string) bool {
	if o.Kind == mounts.Tmpfs {
		return source == o.Label()
	}
	var st unix.Stat_t
	return unix.Fstat(target, &st) == nil && uint64(st.Dev) == o.dev && st.Ino == o.ino
}

// findTarget opens the place of a mount in the container this thread is in, without following a link,
// and makes what is missing as the container's own root.
func findTarget(m mounts.Mount, base uint32) (int, error) {
	dir, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	words := strings.FieldsFunc(m.Target, func(r rune) bool { return r == '/' })
	for i, word := range words {
		node := m.Kind == mounts.Node && i == len(words)-1
		next, err := step(dir, word, node, base)
		unix.Close(dir)
		if err != nil {
			return -1, targetError(m, err)
		}
		dir = next
	}
	return dir, nil
}

func step(dir int, word string, node bool, base uint32) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: noLinks | unix.RESOLVE_BENEATH}
	if !node {
		how.Flags |= unix.O_DIRECTORY
	}
	fd, err := unix.Openat2(dir, word, &how)
	if err != unix.ENOENT {
		return fd, err
	}
	if err := makeAs(base, dir, word, node); err != nil && err != unix.EEXIST {
		return -1, err
	}
	return unix.Openat2(dir, word, &how)
}

// makeAs makes a folder, or an empty file, that belongs to the container's root.
func makeAs(base uint32, dir int, word string, node bool) error {
	unix.Setfsgid(int(base))
	unix.Setfsuid(int(base))
	defer unix.Setfsgid(0)
	defer unix.Setfsuid(0)
	if !node {
		return unix.Mkdirat(dir, word, 0o755)
	}
	fd, err := unix.Openat(dir, word, unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func targetError(m mounts.Mount, err error) error {
	switch err {
	case unix.ELOOP:
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: %s leads over a link inside the container, which is not followed; choose the path it leads to",
			m.Device, m.Target)
	case unix.ENOTDIR:
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: %s leads over a file or a link inside the container; choose a folder", m.Device, m.Target)
	case unix.EACCES, unix.EPERM, unix.EROFS:
		return inventory.Errorf(inventory.ErrState,
			"device %s: the container's root can't make %s; make it inside first", m.Device, m.Target)
	}
	return inventory.Errorf(inventory.ErrState, "device %s: %s in the container: %v", m.Device, m.Target, err)
}
