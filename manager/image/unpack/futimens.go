package unpack

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// futimens sets the times of an open file. utimensat(2) does so when the path is NULL, which
// x/sys has no call for.
func futimens(fd int, times []unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0,
		uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
