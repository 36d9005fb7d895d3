package role

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A Process is the one at the other end of a connection. Its pidfd is opened while the connection
// stands, so it never means another process that was given the same number later.
type Process struct {
	PID int

	mu sync.Mutex
	fd int // -1 when closed
}

func openProcess(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	return &Process{PID: pid, fd: fd}, nil
}

// Kill ends a process that does not answer, and waits until it is gone.
func (p *Process) Kill(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	return p.wait(ctx)
}

// Wait waits until the process is gone.
func (p *Process) Wait(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait(ctx)
}

// wait polls the pidfd: it is readable when the process has ended, reaped or not (pidfd_open(2)).
func (p *Process) wait(ctx context.Context) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, 50)
		if n > 0 {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for process %d: %w", p.PID, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("process %d did not end in time: %w", p.PID, context.Cause(ctx))
		}
	}
}

// Close forgets the process; it lives on.
func (p *Process) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}
