package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Attach returns an open loop device over the file: the one that is there, else a new one.
//
// A new one reads and writes the file directly (LO_FLAGS_DIRECT_IO), else every page would be
// cached twice, and goes away by itself when nobody uses it any more (LO_FLAGS_AUTOCLEAR), so that
// a crash leaves no device behind. The caller keeps it open until it is mounted.
func Attach(file *os.File) (*os.File, error) {
	if dev, err := FindLoop(file); dev != nil || err != nil {
		return dev, err
	}
	return AttachNew(file)
}

// AttachNew is Attach for a file that is known to have no device.
func AttachNew(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"attach the pool's file: %w; load the kernel module loop, or give the pool a folder on a btrfs", err)
	}
	defer control.Close()
	// Between asking for a free device and taking it, somebody else may take it: ask again.
	for range 64 {
		dev, err := takeLoop(control, file)
		if !errors.Is(err, unix.EBUSY) {
			return dev, err
		}
	}
	return nil, inventory.Errorf(inventory.ErrUnavailable,
		"attach the pool's file: every free loop device was taken by others; try again")
}

func takeLoop(control, file *os.File) (*os.File, error) {
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	dev, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the loop device: %w", err)
	}
	// 4096 is the block size of the file systems inside: direct I/O then works on any disk below the host's file
	// system. LOOP_CONFIGURE does everything in one call; Linux 5.8.
	config := unix.LoopConfig{Fd: uint32(file.Fd()), Size: 4096}
	config.Info.Flags = unix.LO_FLAGS_DIRECT_IO | unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file.Name())
	if err := unix.IoctlLoopConfigure(int(dev.Fd()), &config); err != nil {
		dev.Close()
		return nil, fmt.Errorf("attach %s to %s: %w", file.Name(), dev.Name(), err)
	}
	return dev, nil
}

// FindLoop returns the open loop device over the file, or nil. Devices are compared by inode: a name
// may be written in many ways, and a deleted file keeps its name.
func FindLoop(file *os.File) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, err
	}
	attached, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		return nil, err
	}
	for _, folder := range attached {
		dev, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(folder)), os.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // gone meanwhile
		}
		info, err := unix.IoctlLoopGetStatus64(int(dev.Fd()))
		if err == nil && info.Inode == st.Ino && info.Device == st.Dev {
			return dev, nil
		}
		dev.Close()
	}
	return nil, nil
}

// IsDirect reports whether the loop device bypasses the page cache of the host. The kernel falls
// back without a word where the file system can't.
func IsDirect(dev *os.File) bool {
	info, err := unix.IoctlLoopGetStatus64(int(dev.Fd()))
	return err == nil && info.Flags&unix.LO_FLAGS_DIRECT_IO != 0
}
