package audit

import (
	"os"
	"syscall"
)

// datasync retries on EINTR, as os.File.Sync does. It does not retry on EIO: the kernel has then
// marked the pages clean, and a second call would succeed without having written anything.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
