package role

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/manager/unprivileged"
	"lodge/network/lease"
	"lodge/network/names"
)

const (
	logLimit = 1 << 20 // a longer log is begun again at start
	// memoryLimit is what the garbage collector works towards: the zone and a full cache fit.
	memoryLimit = 96 << 20
)

type options struct {
	control, zone, log, version string
	uid, gid                    int
}

// Main is the net role. It returns the process' exit code, when the agent tells it to quit or it
// can't begin; the death of the agent doesn't end it.
func Main(args []string) int {
	var o options
	flags := flag.NewFlagSet("net", flag.ContinueOnError)
	flags.StringVar(&o.control, "control", "", "unix socket to listen on for the agent")
	flags.StringVar(&o.zone, "zone", "", "file with the last zone, to begin with")
	flags.StringVar(&o.log, "log", "", "file to log to; standard error when empty")
	flags.StringVar(&o.version, "version", "", "what to tell the agent as version")
	flags.IntVar(&o.uid, "uid", unprivileged.Nobody, "user to run as")
	flags.IntVar(&o.gid, "gid", unprivileged.Nobody, "group to run as")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "net role:", err)
		return 1
	}
	return 0
}

// run does what needs root first, in a few milliseconds and without any foreign input, and the rest
// confined.
func run(o options) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
	unix.Umask(0o077)
	if err := closeInherited(); err != nil {
		return err
	}
	debug.SetMemoryLimit(memoryLimit)
	log, err := openLog(o.log)
	if err != nil {
		return err
	}
	control, err := listenControl(o.control)
	if err != nil {
		return err
	}
	handler := names.NewHandler(log)
	leases := lease.NewServer(log)
	if state, err := ReadState(o.zone); err == nil {
		handler.SetZone(state.Zone)
		leases.SetLinks(state.Links)
	}
	warmUp()
	seccomp, err := confine(o.uid, o.gid)
	if err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	log.Info("the net role runs", "version", o.version, "uid", os.Getuid(), "seccomp", seccomp,
		"serial", handler.Serial())
	s := &steering{handler: handler, server: names.NewServer(handler, log), leases: leases, log: log,
		quit: make(chan struct{}),
		info: Info{Version: o.version, PID: os.Getpid(), UID: os.Getuid(), Seccomp: seccomp}}
	return s.accept(control)
}

// closeInherited closes what whoever started us left open by mistake. Everything the runtime opened
// by itself is marked close-on-exec; what came through exec can't be.
func closeInherited() error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range fds {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD,
			0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

func openLog(path string) (*slog.Logger, error) {
	out := os.Stderr
	if path != "" {
		flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
		if st, err := os.Stat(path); err == nil && st.Size() > logLimit {
			flags |= os.O_TRUNC
		}
		f, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		out = f
		// A crash of the runtime is written to descriptor 2.
		if err := unix.Dup3(int(f.Fd()), 2, 0); err != nil {
			return nil, err
		}
	}
	// Times in UTC: the zone file of the host can't be opened later.
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: utc})), nil
}

func utc(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// listenControl takes over the path unless a living role listens there.
func listenControl(path string) (*net.UnixListener, error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	if conn, err := net.DialUnix("unix", nil, addr); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another net role listens on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // confined, it can't; the agent does
	return l, nil
}

// warmUp lets package net find out what the kernel can do: it opens files and binds a socket for
// that, once, which the filter would refuse.
func warmUp() {
	for _, addr := range []string{"127.0.0.1:53", "[::1]:53"} {
		// Connecting a datagram socket sends nothing.
		if conn, err := net.Dial("udp", addr); err == nil {
			conn.Close()
		}
	}
}
