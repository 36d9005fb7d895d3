package systemd

import (
	"context"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// A Starter runs programs outside the agent: in a session and environment of their own, with the
// host's limits and mounts, and, where systemd is PID 1, in a transient unit of their own. What it
// starts outlives the agent and inherits none of its seccomp filter, capabilities or cgroup.
//
// The signatures hold only types of the standard library, so that packages that need a Starter
// name it as a small interface of theirs.
type Starter struct {
	log     *slog.Logger
	systemd bool
}

// NewStarter returns the starter that fits the host. Descriptors the agent itself has inherited, which
// need not be marked so, are from now on closed in whatever it starts.
func NewStarter(log *slog.Logger) *Starter {
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		log.Warn("inherited descriptors can't be marked", "err", err)
	}
	return &Starter{log: log, systemd: IsPID1()}
}

// Run starts argv[0] and waits for its end or that of ctx, which kills it. stdout and stderr may be
// nil. name goes into the unit's name and need not be unique. How the program ended has to be read
// from its output: nil only says that it ran, since systemd forgets the status of a unit that has
// gone.
func (s *Starter) Run(ctx context.Context, name string, argv []string, stdout, stderr *os.File) error {
	if s.systemd {
		return runUnit(ctx, name, argv, stdout, stderr)
	}
	return runProcess(ctx, argv, stdout, stderr)
}

// Start starts argv[0] and returns its process id without waiting for it. Nobody else has to reap it.
// stdio are its standard input, output and error: missing or nil ones are /dev/null.
func (s *Starter) Start(ctx context.Context, name string, argv []string, stdio ...*os.File) (pid int, err error) {
	if s.systemd {
		return startUnit(ctx, name, argv, stdio)
	}
	return startProcess(argv, stdio)
}
