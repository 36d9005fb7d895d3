package confine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dirFD is where Run puts the child's directory.
const dirFD = 3

// Attach mounts the directory that Run handed over on target, in the child's own mount namespace.
func Attach(target string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	flags := unix.MOVE_MOUNT_F_EMPTY_PATH
	if err := unix.MoveMount(dirFD, "", unix.AT_FDCWD, target, flags); err != nil {
		return fmt.Errorf("mount the work directory on %s: %w", target, err)
	}
	return unix.Close(dirFD)
}
