package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// folders are what the agent keeps below its root, all 0700: real setuid files of containers lie
// there, and nobody but root may reach them.
var folders = []string{"", "audit", "keys", "containers", "pools", "images", "sessions",
	"run", "run/sessions", "run/hooks", "run/uploads", "run/scan", "run/containers"}

// lockRoot makes the root's folders and takes its lock for the life of the process. A second agent
// on the same root is refused: two would both think they own the containers.
func lockRoot(root string) (*os.File, error) {
	f, err := openLock(root)
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"%s can't be used: %v; check that its file system is there, has room and is not read-only", root, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 32)
		n, _ := f.Read(holder)
		f.Close()
		return nil, inventory.Errorf(inventory.ErrBusy,
			"another agent (process %s) works on %s; stop it first, or give this one another --root",
			strings.TrimSpace(string(holder[:n])), root)
	}
	f.Truncate(0)
	f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, nil
}

// openLock makes the root's folders and opens its lock, which nobody holds yet.
func openLock(root string) (*os.File, error) {
	for _, dir := range folders {
		path := filepath.Join(root, dir)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		if err := closeFolder(path); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(filepath.Join(root, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}

// openRunFolder makes the folder that the agents of a host share, for root to write and all to pass
// through: the socket in it has a mode of its own, and the claims are in a folder of root's. Whoever
// was first may have made it for themselves alone, by the mask of their shell.
func openRunFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// closeFolder takes a folder from everybody but root. That others may pass through it stays: the
// runtime lets containers' root users do so, and one that reboots while this agent starts needs it.
func closeFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, 0o700|info.Mode().Perm()&0o001)
}

// bootID tells one boot of the host from another (random(4)).
func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("the host's boot id can't be read: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// sinceBoot is the time since the host's boot in nanoseconds, sleep included: no clock that anybody
// sets (clock_gettime(2), CLOCK_BOOTTIME).
func sinceBoot() int64 {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0
	}
	return up.Nano()
}
