package btrfs

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// Check reports, cheaply, why the pool can't work now: what it lies on is gone, or btrfs stopped
// writing after an error.
func (p *Pool) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.isReadOnly() {
		return inventory.Errorf(inventory.ErrUnavailable,
			"pool %s is read-only after an error on its disk; the kernel's log says more", p.config.Name)
	}
	// Through the path, as containers see it: the open folder would outlive a mount that is gone.
	if err := p.claimed(); err != nil {
		return err
	}
	if _, err := fileSystem(p.root); err != nil {
		return p.fault().Fail(err, "use pool %s", p.config.Name)
	}
	return nil
}

// claimed is claim without taking an empty folder in.
func (p *Pool) claimed() error {
	if _, err := os.Stat(filepath.Join(p.config.base(), marker)); err != nil {
		if disk.IsMissing(err) {
			return inventory.Errorf(inventory.ErrUnavailable,
				"pool %s is not at %s any more; mount what it lies on", p.config.Name, p.config.base())
		}
		return p.fault().Fail(err, "use pool %s", p.config.Name)
	}
	return p.claim()
}

// Base is the folder the pool is at.
func (p *Pool) Base() string { return p.config.base() }

// Destroy removes everything in the pool for good, and its file. ErrBusy while anything runs from
// it. After a crash it can be called again.
func (p *Pool) Destroy(ctx context.Context) error {
	if p.config.Dir == "" {
		return p.destroyFile()
	}
	for _, kind := range []string{"snapshots/*", "containers", "images"} {
		paths, err := filepath.Glob(filepath.Join(p.config.base(), kind, "*"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.destroy(path); err != nil {
				return p.fault().Fail(err, "remove pool %s", p.config.Name)
			}
		}
	}
	if err := p.Close(); err != nil {
		return err
	}
	for _, name := range []string{"snapshots", "containers", "images", marker} {
		if err := os.RemoveAll(filepath.Join(p.config.base(), name)); err != nil {
			return p.fault().Fail(err, "remove pool %s", p.config.Name)
		}
	}
	return nil
}

func (p *Pool) destroyFile() error {
	if err := p.Detach(); err != nil {
		return err
	}
	if err := os.Remove(p.config.file()); err != nil && !disk.IsMissing(err) {
		return p.fault().Fail(err, "remove pool %s", p.config.Name)
	}
	p.removeEmpty(p.config.base())
	return disk.SyncFolder(filepath.Dir(p.config.file()))
}

// known refuses to make a pool that was made before: an empty place where one was is a disk that
// isn't mounted, and another pool in it would hide that.
func (p *Pool) known() error {
	place := filepath.Join(p.config.base(), marker)
	if p.config.Dir == "" {
		place = p.config.file()
	}
	var st unix.Stat_t
	if err := unix.Stat(place, &st); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable,
			"open pool %s: %s can't be read (%v); mount what the pool lies on", p.config.Name, place, err)
	}
	return nil
}
