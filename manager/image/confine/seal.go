package confine

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bounds are what a sealed child may use up.
type Bounds struct {
	FileSize int64         // of one file it writes
	Memory   int64         // address space beyond what the program has when it starts
	CPU      time.Duration // of all threads together
}

// Seal shuts the calling process into the directory it was given: that becomes its root, file
// descriptor 3 stays open on it, and from here on only the system calls that read and write a
// file tree work. What it must read of the host it has to have read before. Linux only lets this
// become stricter.
func Seal(b Bounds) error {
	if err := unix.Fchdir(dirFD); err != nil {
		return fmt.Errorf("enter the directory: %w", err)
	}
	used := addressSpace() // reads /proc, so before chroot
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	unix.Umask(0)
	if err := b.limit(used); err != nil {
		return err
	}
	return filter(allowed)
}

// SealNetwork shuts in a child with the host's network: it can start nothing, and write no file,
// being nobody without capabilities. It sees what anybody may read, which names and certificates
// need.
func SealNetwork(b Bounds) error {
	if err := unix.Close(dirFD); err != nil {
		return fmt.Errorf("close the directory: %w", err)
	}
	unix.Umask(0o777)
	if err := b.limit(addressSpace()); err != nil {
		return err
	}
	return filter(append(networked, allowed...))
}

// limit sets the resource limits; used is the address space there is already.
func (b Bounds) limit(used uint64) error {
	limits := []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_FSIZE, uint64(b.FileSize)},
		{unix.RLIMIT_AS, used + uint64(b.Memory)},
		{unix.RLIMIT_CPU, uint64(b.CPU / time.Second)},
		{unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_CORE, 0},
	}
	for _, l := range limits {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit %d: %w", l.what, err)
		}
	}
	return nil
}

// addressSpace returns the process's present size in bytes. A relative limit is needed since the
// race detector, and cgo, reserve very different amounts before main.
func addressSpace() uint64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _, _ := bytes.Cut(raw, []byte(" "))
	n, _ := strconv.ParseUint(string(pages), 10, 64)
	return n * uint64(os.Getpagesize())
}

// NoNewPrivileges makes sure that nothing the calling thread executes gains rights by a setuid
// bit or file capabilities (prctl(2)).
func NoNewPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// filter installs the seccomp filter on all threads.
func filter(calls []uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := NoNewPrivileges(); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	program := compile(calls)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// TSYNC carries both the filter and no_new_privs to the runtime's other threads (seccomp(2)).
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}
