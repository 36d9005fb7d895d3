package liblxc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// open makes a detached copy of what the mount shows. What is checked and what is mounted is the same
// descriptor, so nobody can put something else in its place in between.
func open(m mounts.Mount, ns int, base uint32) (opened, error) {
	o := opened{Mount: m, tree: -1}
	var err error
	if m.Kind == mounts.Tmpfs {
		o.tree, err = openTmpfs(m, base)
	} else {
		o.tree, err = openSource(m)
	}
	if err != nil {
		return o, err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_PRIVATE}
	switch {
	case m.Kind == mounts.Node:
		attr.Attr_set = unix.MOUNT_ATTR_NOSUID
	case m.Kind == mounts.Tmpfs || len(m.Beneath) > 0:
		attr.Attr_set |= unix.MOUNT_ATTR_NOSUID
	}
	if m.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if m.HasIDs() && ns >= 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(ns)
	}
	if err := unix.MountSetattr(o.tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(o.tree)
		return o, inventory.Errorf(inventory.ErrUnavailable, "device %s: its file system can't be given to a container: %v",
			m.Device, err)
	}
	return o, o.identify()
}

func openTmpfs(m mounts.Mount, base uint32) (int, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, option := range [][2]string{{"source", m.Label()}, {"size", fmt.Sprint(m.SizeBytes)}, {"mode", m.Mode},
		{"uid", fmt.Sprint(base)}, {"gid", fmt.Sprint(base)}} {
		if err := unix.FsconfigSetString(fs, option[0], option[1]); err != nil {
			return -1, inventory.Errorf(inventory.ErrInvalid, "device %s: a tmpfs can't have %s=%s: %v", m.Device,
				option[0], option[1], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

func openSource(m mounts.Mount) (int, error) {
	fd, err := findSource(m)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	if err := checkReserved(m, fd); err != nil {
		return -1, err
	}
	tree, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, inventory.Errorf(inventory.ErrUnavailable, "device %s: %s can't be mounted: %v", m.Device, m.Source, err)
	}
	return tree, nil
}

const noLinks = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// findSource opens the source from the folder it has to lie beneath, without following a link.
func findSource(m mounts.Mount) (int, error) {
	base, rest, ok := "/", strings.TrimPrefix(m.Source, "/"), len(m.Beneath) == 0
	for _, b := range m.Beneath {
		if inside, found := strings.CutPrefix(m.Source+"/", b+"/"); found {
			base, rest, ok = b, strings.TrimSuffix(inside, "/"), true
		}
	}
	if !ok {
		return -1, inventory.Errorf(inventory.ErrDenied,
			"device %s: %s lies in none of the folders the host gives to containers; see 'lodge config get storage.host_paths'",
			m.Device, m.Source)
	}
	flags := uint64(unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW)
	if m.Kind == mounts.Folder {
		flags |= unix.O_DIRECTORY
	}
	dir, err := unix.Openat2(unix.AT_FDCWD, base, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY,
		Resolve: noLinks})
	if err != nil || rest == "" {
		return dir, sourceError(m, err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, rest, &unix.OpenHow{Flags: flags, Resolve: noLinks | unix.RESOLVE_BENEATH})
	return fd, sourceError(m, err)
}

func sourceError(m mounts.Mount, err error) error {
	switch err {
	case nil:
		return nil
	case unix.ENOENT:
		return inventory.Errorf(inventory.ErrNotFound, "device %s: there is no %s on the host", m.Device, m.Source)
	case unix.ENOTDIR:
		return inventory.Errorf(inventory.ErrDenied, "device %s: %s is no folder, or a link, which is not followed", m.Device,
			m.Source)
	case unix.ELOOP, unix.EXDEV:
		return inventory.Errorf(inventory.ErrDenied, "device %s: %s leads over a link, which is not followed", m.Device, m.Source)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "device %s: %s: %v", m.Device, m.Source, err)
}

// checkReserved refuses a source that is a reserved folder, lies in one or holds one. Folders are
// compared by what they are, not by how they are called: a second way to one is as good as the first.
func checkReserved(m mounts.Mount, source int) error {
	if len(m.Reserved) == 0 {
		return nil
	}
	above, err := chain(source)
	if err != nil {
		return err
	}
	for _, path := range m.Reserved {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // what is not there can't be shown
		}
		holders, err := chain(fd)
		unix.Close(fd)
		if err != nil {
			return err
		}
		if slices.Contains(above, holders[0]) || slices.Contains(holders, above[0]) {
			return inventory.Errorf(inventory.ErrDenied, "device %s: %s is no folder a container may have: it concerns %s",
				m.Device, m.Source, path)
		}
	}
	return nil
}

type folder struct{ dev, ino uint64 }

// chain is a folder and all that hold it, up to the root of the host, by what the kernel says they are.
func chain(fd int) ([]folder, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	var all []folder
	for ; ; path = filepath.Dir(path) {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, folder{uint64(st.Dev), st.Ino})
		if path == "/" {
			return all, nil
		}
	}
}
