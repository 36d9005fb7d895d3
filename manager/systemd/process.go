package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cleanEnv is all a program started without systemd gets, the same as a unit has by default
// (systemd.exec(5), "Environment variables in spawned processes").
var cleanEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
}

// runProcess runs argv in a session of its own. When ctx ends the program is killed, and only it:
// what it has made a daemon of lives on.
func runProcess(ctx context.Context, argv []string, stdout, stderr *os.File) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = cleanEnv, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("%s was stopped: %w", argv[0], context.Cause(ctx))
	}
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		return nil
	}
	return err
}

// startProcess starts argv in a session of its own. It is a child of the agent, which reaps it, and
// of PID 1 once the agent is gone.
func startProcess(argv []string, stdio []*os.File) (int, error) {
	files, done, err := threeFiles(stdio)
	if err != nil {
		return 0, err
	}
	defer done()
	pidfd := -1
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = cleanEnv, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid
	return pid, errors.Join(cmd.Process.Release(), reap(pidfd))
}

// reap takes a child off the kernel's list when it has ended. It waits as for a connection: what is
// started here may run for months, and waiting in a system call would take a thread for each.
func reap(pidfd int) error {
	if err := unix.SetNonblock(pidfd, true); err != nil {
		unix.Close(pidfd)
		return err
	}
	child := os.NewFile(uintptr(pidfd), "child")
	conn, err := child.SyscallConn()
	if err != nil {
		child.Close()
		return err
	}
	go func() {
		defer child.Close()
		conn.Read(func(fd uintptr) bool {
			return unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED, nil) != unix.EAGAIN
		})
	}()
	return nil
}

// threeFiles fills up the standard descriptors with /dev/null.
func threeFiles(given []*os.File) (files [3]*os.File, done func(), err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return files, nil, err
	}
	for i := range files {
		files[i] = null
		if i < len(given) && given[i] != nil {
			files[i] = given[i]
		}
	}
	return files, func() { null.Close() }, nil
}
