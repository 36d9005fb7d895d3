package unprivileged

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nobody is the last resort of a host where the agent has no ids of its own.
const Nobody = 65534

// Bounds are who a role becomes and what it may use up.
type Bounds struct {
	UID, GID  int
	Files     uint64 // open files
	Threads   uint64 // of all processes of the user; 0: unbounded, as they are for Nobody
	DataBytes uint64 // of memory beyond what the program has when it starts; 0: unbounded
}

// Confine gives up every privilege for good: limits, then groups and user (which drops all
// capabilities, capabilities(7)), then no_new_privs and the seccomp filter on every thread. It
// reports whether the filter is on; only a kernel without seccomp has none.
func Confine(b Bounds, f Filter) (filtered bool, err error) {
	if err := os.Chdir("/"); err != nil {
		return false, err
	}
	if err := b.limit(); err != nil {
		return false, err
	}
	if os.Getuid() == 0 {
		// package syscall does these on all threads, with cgo and without.
		if err := syscall.Setgroups([]int{}); err != nil {
			return false, fmt.Errorf("setgroups: %w", err)
		}
		if err := syscall.Setresgid(b.GID, b.GID, b.GID); err != nil {
			return false, fmt.Errorf("setgid: %w", err)
		}
		if err := syscall.Setresuid(b.UID, b.UID, b.UID); err != nil {
			return false, fmt.Errorf("setuid: %w", err)
		}
	}
	if os.Getuid() == 0 || syscall.Setuid(0) == nil {
		return false, fmt.Errorf("still root after setuid to %d", b.UID)
	}
	return installFilter(f.program())
}

func (b Bounds) limit() error {
	limits := map[int]uint64{unix.RLIMIT_NOFILE: b.Files, unix.RLIMIT_CORE: 0, unix.RLIMIT_MEMLOCK: 0}
	if b.Threads > 0 && b.UID != Nobody { // counted per user: others may run as nobody
		limits[unix.RLIMIT_NPROC] = b.Threads
	}
	if b.DataBytes > 0 {
		// Private memory that can be written (getrlimit(2), since Linux 4.7).
		limits[unix.RLIMIT_DATA] = dataBytes() + b.DataBytes
	}
	for which, n := range limits {
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("limit %d: %w", which, err)
		}
	}
	return nil
}

// installFilter sets no_new_privs and the filter. SECCOMP_FILTER_FLAG_TSYNC puts both on all threads
// at once (seccomp(2)), which a program with cgo has no other way to do; threads made later inherit.
func installFilter(program []unix.SockFilter) (bool, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return false, fmt.Errorf("no_new_privs: %w", err)
	}
	if len(program) == 0 {
		return false, nil
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return false, nil // a kernel built without CONFIG_SECCOMP_FILTER
	case errno != 0:
		return false, fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return false, fmt.Errorf("seccomp: thread %d has another filter", thread)
	}
	return true, nil
}

// dataBytes is how much private memory this process has mapped to write to: VmData (proc_pid_status(5)).
func dataBytes() uint64 {
	raw, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(raw), "VmData:")
	var kib uint64
	fmt.Sscan(rest, &kib)
	return kib << 10
}
