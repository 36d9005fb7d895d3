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

// allocate gives a new file its blocks (fallocate(2)), or zeros where the file system can't.
func allocate(f *os.File, size int64) error {
	for {
		switch err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EOPNOTSUPP, syscall.ENOSYS:
			return zeros(f, size)
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
}
