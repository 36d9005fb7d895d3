package btrfs

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// Grow makes the pool's file, and the pool with it, larger while it is in use.
func (p *Pool) Grow(ctx context.Context, size inventory.Bytes) error {
	if p.config.Dir != "" {
		return inventory.Errorf(inventory.ErrState,
			"grow pool %s: it has no file of its own; grow the file system it is on", p.config.Name)
	}
	defer p.locks.Take("file")()
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(p.config.file(), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		defer f.Close()
		err = p.grow(f, size-size%inventory.MiB)
	}
	if err != nil {
		return p.fault().Fail(err, "grow pool %s to %v", p.config.Name, size)
	}
	return nil
}

// grow goes from the outside in. Each part can be repeated, so after a crash Grow is called again.
func (p *Pool) grow(f *os.File, size inventory.Bytes) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	old := inventory.Bytes(info.Size())
	if size < old {
		return inventory.Errorf(inventory.ErrInvalid, "it has %v; a pool can't shrink", old)
	}
	free, _, err := p.host()
	if err != nil {
		return err
	}
	if size-old > free-hostReserve {
		return inventory.Errorf(inventory.ErrQuota, "the host has %v free, of which %v stay free",
			free, hostReserve)
	}
	if size > old {
		if err := p.allocate(f, old, size); err != nil {
			return err
		}
	}
	dev, err := disk.FindLoop(f)
	if err != nil {
		return err
	}
	if dev == nil {
		return inventory.Errorf(inventory.ErrUnavailable, "it isn't attached to a loop device")
	}
	defer dev.Close()
	if err := unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return err
	}
	return resizeToDevice(p.root)
}
