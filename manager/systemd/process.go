package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// forkScript starts its arguments in the background, in a session of their own, and prints the
// process id. It ends at once, so PID 1 becomes the parent: the second half of the classic double
// fork, which Go can't do in its own process. Standard input and output are taken from descriptors
// 3 and 4, because a shell gives its background jobs /dev/null and stdout carries the number.
const forkScript = `setsid "$@" <&3 >&4 3<&- 4>&- & echo $!`

// startProcess starts argv as a child of PID 1. setsid(1) execs in place there, since a background
// job of a shell without job control is no process group leader, so $! is the program itself.
func startProcess(argv []string, stdio []*os.File) (int, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return 0, err
	}
	files, done, err := threeFiles(stdio)
	if err != nil {
		return 0, err
	}
	defer done()
	cmd := exec.Command("/bin/sh", append([]string{"-c", forkScript, "sh"}, argv...)...)
	cmd.Env, cmd.Dir = cleanEnv, "/"
	cmd.Stderr = files[2]
	cmd.ExtraFiles = []*os.File{files[0], files[1]}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	text, err := io.ReadAll(out)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
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
