package lxc

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// The root of an unprivileged container is mounted by lodge-lxc with the container's ids on
// ROOT/roots/ID/root for as long as it runs; see package helper for why. ROOT/roots can be entered
// by all, a container's folder in it by its own root alone.

// rootTarget is where the container's root is mounted.
func (r *Runtime) rootTarget(id inventory.ContainerID) string {
	return filepath.Join(filepath.Dir(r.runDir), "roots", string(id), "root")
}

// rootArgs are what lodge-lxc has to know to mount the root; none for a privileged container.
func (r *Runtime) rootArgs(b inventory.Boot) ([]string, error) {
	limits, err := readLimits(b.Settings)
	if err != nil || limits.privileged {
		return nil, err
	}
	target := r.rootTarget(b.Container.ID)
	roots := filepath.Dir(filepath.Dir(target))
	if err := os.Mkdir(roots, 0o711); err != nil && !os.IsExist(err) {
		return nil, err
	}
	return []string{b.Rootfs, target, strconv.FormatUint(uint64(b.Container.IDBase), 10)}, nil
}

// dropRoot takes the mount of a container that has ended away. One that is not there is fine.
func (r *Runtime) dropRoot(id inventory.ContainerID) {
	target := r.rootTarget(id)
	for unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
	}
	os.Remove(target)
	os.Remove(filepath.Dir(target))
}
