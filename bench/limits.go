package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limitRounds is how often what takes microseconds is measured.
const limitRounds = 51

// limits measures what no manager can be faster than.
func (b *bench) limits(ctx context.Context) error {
	for _, m := range []struct {
		figure string
		do     func(round int) (time.Duration, error)
	}{
		{"limit-fdatasync", b.syncOnce()},
		{"limit-fork",
			func(int) (time.Duration, error) { return timed(func() error { return exec.Command("true").Run() }) }},
		{"limit-snapshot", b.snapshotOnce},
		{"limit-helper", func(int) (time.Duration, error) {
			return timed(func() error {
				return command(ctx, nil, filepath.Join(b.bin, "lodge-lxc"),
					"version")
			})
		}},
	} {
		for round := range limitRounds {
			d, err := m.do(round)
			if err != nil {
				return err
			}
			b.results.add(m.figure, inAgent, round, d)
		}
	}
	return nil
}

func (b *bench) syncOnce() func(int) (time.Duration, error) {
	f, err := os.OpenFile(filepath.Join(b.agent.home, "appended"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	record := make([]byte, 512)
	return func(int) (time.Duration, error) {
		if err != nil {
			return 0, err
		}
		return timed(func() error {
			if _, err := f.Write(record); err != nil {
				return err
			}
			return unix.Fdatasync(int(f.Fd()))
		})
	}
}

// snapshotOnce makes a snapshot of the image with the bare ioctl (btrfs-ioctl(2)).
func (b *bench) snapshotOnce(round int) (time.Duration, error) {
	tree, err := b.imageTree()
	if err != nil {
		return 0, err
	}
	from, err := os.Open(tree)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := os.Open(b.raw.path)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	var args struct {
		fd     int64
		transd uint64
		flags  uint64
		unused [4]uint64
		name   [4040]byte
	}
	args.fd = int64(from.Fd())
	name := "bare" + strconv.Itoa(round)
	copy(args.name[:], name)
	const snapCreateV2 = 0x50009417
	d, err := timed(func() error {
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, to.Fd(), snapCreateV2,
			uintptr(unsafe.Pointer(&args))); no != 0 {
			return no
		}
		return nil
	})
	if err == nil {
		err = exec.Command("btrfs", "subvolume", "delete", filepath.Join(b.raw.path, name)).Run()
	}
	return d, err
}
