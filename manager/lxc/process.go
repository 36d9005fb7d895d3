package lxc

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one incarnation of a pid: the kernel gives numbers again, but not with the same
// start time.
type process struct {
	pid   int
	start uint64 // clock ticks after boot (proc_pid_stat(5), field 22)
}

// clockTick is USER_HZ, which the kernel keeps at 100 for user space on every architecture Go has.
const clockTick = 100

// lookUp returns the process that has that pid now.
func lookUp(pid int) (process, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	// The name in field 2 may hold blanks and brackets; the last bracket ends it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	return process{pid: pid, start: start}, err == nil
}

// isSame reports whether the pid still belongs to the process.
func (p process) isSame() bool {
	now, ok := lookUp(p.pid)
	return ok && now == p
}

// isAlive reports whether the process still runs: one that has ended keeps its number until its parent
// has taken note.
func (p process) isAlive() bool {
	fd, err := p.open()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} // readable once it has ended: pidfd_open(2)
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 0
}

// open returns a pidfd of the process, or an error when it is gone. The check after the open is
// what makes it safe: the descriptor holds on to whichever process it found.
func (p process) open() (fd int, err error) {
	fd, err = unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return -1, err
	}
	if !p.isSame() {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// startedAt is when the process began, by the wall clock of now.
func (p process) startedAt(now time.Time) time.Time {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}
	}
	age := time.Duration(up.Nano()) - time.Duration(p.start)*(time.Second/clockTick)
	return now.Add(-age)
}

// bootID tells one boot of the host from another (proc_sys_kernel(5), random/boot_id).
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// statusField returns one line of /proc/PID/status without its name.
func statusField(pid int, name string) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// takes reports whether the process does anything with the signal: PID 1 of a namespace ignores
// all it neither catches nor blocks to read later (pid_namespaces(7), signal(7)).
func takes(pid int, signal int) bool {
	for _, set := range []string{"SigCgt", "SigBlk"} {
		mask, err := strconv.ParseUint(statusField(pid, set), 16, 64)
		if err == nil && mask>>(signal-1)&1 == 1 {
			return true
		}
	}
	return false
}
