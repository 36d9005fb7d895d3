package btrfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// mountPool mounts the pool's file at its place unless it is there. Something else in that place is
// ErrState.
func (p *Pool) mountPool() error {
	file, err := os.OpenFile(p.config.file(), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	fsid, label, err := readSuper(file)
	if err != nil {
		return err
	}
	if label != p.config.label() {
		return inventory.Errorf(inventory.ErrState,
			"open pool %s: the file system in %s is labelled %q, not %q, so it isn't this pool; move it away",
			p.config.Name, file.Name(), label, p.config.label())
	}
	dev, err := disk.Attach(file)
	if err != nil {
		return err
	}
	defer dev.Close()
	p.direct = disk.IsDirect(dev)
	p.config.Crash("open.attached")
	source, err := disk.MountedAt(p.config.base())
	if err != nil {
		return err
	}
	if source == "" {
		p.warnNamespace()
		if err := p.mountDevice(dev.Name()); err != nil {
			return err
		}
	}
	p.config.Crash("open.mounted")
	return p.checkMount(dev.Name(), fsid, source == "")
}

// mountDevice mounts a btrfs with what DESIGN asks for: nodiscard keeps the file allocated, and the
// option user_subvol_rm_allowed stays off. The mount is private, so that nothing a container mounts
// below it shows up on the host, or the other way round.
func (p *Pool) mountDevice(device string) error {
	base := p.config.base()
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	err := unix.Mount(device, base, "btrfs", unix.MS_NOATIME, "nodiscard,subvolid=5")
	switch {
	case errors.Is(err, unix.ENODEV):
		return inventory.Errorf(inventory.ErrUnavailable, "open pool %s: this kernel has no btrfs",
			p.config.Name)
	case errors.Is(err, unix.EINVAL):
		return inventory.Errorf(inventory.ErrUnavailable,
			"open pool %s: the kernel refuses the file system; one made under Linux 6.7 or later can't be used under an older kernel (the kernel's log says more)",
			p.config.Name)
	case err != nil:
		return p.fault().Fail(err, "mount pool %s at %s", p.config.Name, base)
	}
	return unix.Mount("", base, "", unix.MS_PRIVATE, "")
}

// warnNamespace tells when a mount made now would not be seen by containers, which start in the
// mount namespace of PID 1 (PrivateMounts=, ProtectSystem= and the like give a unit its own).
func (p *Pool) warnNamespace() {
	host, err := os.Readlink("/proc/1/ns/mnt")
	own, ownErr := os.Readlink("/proc/self/ns/mnt")
	if err == nil && ownErr == nil && host != own {
		p.config.Log.Warn("the pool is mounted in a mount namespace of its own, where containers may not see it", "pool", p.config.Name)
	}
}

// checkMount makes sure that what is mounted is the file and nothing else. The kernel tells file
// systems apart by their id alone: of a file and its copy it mounts whichever it saw first.
func (p *Pool) checkMount(device string, fsid [16]byte, undo bool) error {
	root, err := os.Open(p.config.base())
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := fileSystem(root)
	if err == nil && info.fsid == fsid {
		for id := uint64(1); id <= info.maxID; id++ {
			if d, err := deviceOf(root, id); err == nil && d == device {
				return nil
			}
		}
	}
	if undo {
		root.Close()
		_ = unix.Unmount(p.config.base(), 0)
	}
	return inventory.Errorf(inventory.ErrState,
		"open pool %s: %s is taken by another file system; unmount it", p.config.Name, p.config.base())
}

func deviceOf(root *os.File, id uint64) (string, error) {
	info, err := device(root, id)
	return info.name(), err
}
