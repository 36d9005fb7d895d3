package unprivileged

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// running are the system calls of a running Go program that serves sockets it was given. Everything
// else answers EPERM, unless a Filter adds it: no file is opened, nothing executed, traced, mounted,
// bound or connected.
var running = []uint32{
	// memory
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_BRK,
	unix.SYS_MINCORE,
	// threads and time
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
	unix.SYS_MEMBARRIER, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_TGKILL, unix.SYS_NANOSLEEP,
	unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_RESTART_SYSCALL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	// signals
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	// descriptors
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_FSTAT,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	// sockets
	unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_RECVFROM, unix.SYS_RECVMSG,
	unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT,
	unix.SYS_SETSOCKOPT, unix.SYS_SHUTDOWN,
	// the rest
	unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_GETUID, unix.SYS_GETEUID,
}

// A Filter is what a role may do besides running and serving the sockets it has.
type Filter struct {
	Calls    []uint32 // system calls
	Families []uint32 // of sockets it may make: AF_INET
}

// Offsets in struct seccomp_data (seccomp(2)): the low half of the first argument on a little-endian
// machine, which amd64 and arm64 are.
const (
	offNumber = 0
	offArch   = 4
	offArg0   = 16
)

// program returns the filter for this machine; nil where none was written.
func (f Filter) program() []unix.SockFilter {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64,
		"arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return nil
	}
	deny := ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	// The numbers of another architecture mean other calls.
	p := []unix.SockFilter{load(offArch), {Code: jeq, Jt: 1, Jf: 0, K: arch}, deny, load(offNumber)}
	for _, nr := range append(slices.Clone(running), f.Calls...) {
		p = append(p, skipUnless(nr, 1), ret(unix.SECCOMP_RET_ALLOW))
	}
	// Threads, but no processes. glibc tries clone3 first, whose flags a filter can't see, and
	// takes clone when there is none (ENOSYS).
	p = append(p, skipUnless(unix.SYS_CLONE3, 1), ret(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	p = append(p, skipUnless(unix.SYS_CLONE, 4), load(offArg0),
		unix.SockFilter{Code: jset, Jt: 0, Jf: 1, K: unix.CLONE_THREAD}, ret(unix.SECCOMP_RET_ALLOW), deny)
	for _, family := range f.Families {
		p = append(p, skipUnless(unix.SYS_SOCKET, 4), load(offArg0),
			unix.SockFilter{Code: jeq, Jt: 0, Jf: 1, K: family}, ret(unix.SECCOMP_RET_ALLOW), load(offNumber))
	}
	return append(p, deny)
}

const (
	jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jset = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// skipUnless jumps over the next n instructions unless the loaded word is k.
func skipUnless(k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: jeq, Jt: 0, Jf: n, K: k}
}
