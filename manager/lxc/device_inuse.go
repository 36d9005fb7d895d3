package lxc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// unused refuses a block device that the host itself works on: one that is mounted, swapped to, or part of
// a mapping or an array, and a disk with such a partition. Who may write to one has the host, and the
// agent's keys and pool lie on one. The kernel knows (open(2), O_EXCL), also of all devices of one btrfs.
func (n node) unused(d inventory.Device) error {
	if n.format != unix.S_IFBLK {
		return nil
	}
	if err := os.MkdirAll(nodeDir, 0o700); err != nil {
		return err
	}
	probe := filepath.Join(nodeDir, fmt.Sprintf("probe-%s-%d-%d", d.Name, os.Getpid(), unix.Gettid()))
	defer os.Remove(probe)
	err := errors.Join(removeFile(probe), unix.Mknod(probe, unix.S_IFBLK, int(unix.Mkdev(n.major, n.minor))))
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "device %s: its node can't be made: %v", d.Name, err)
	}
	fd, err := unix.Open(probe, unix.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.EBUSY) {
		return inventory.Errorf(inventory.ErrDenied,
			"device %s: the host itself uses %s: it is mounted, swapped to, or part of what is", d.Name, d.HostPath())
	}
	return nil // no medium, say: that is the container's to find out
}
