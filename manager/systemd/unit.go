package systemd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// stopWait is how long a unit whose time is over gets to be stopped by systemd.
const stopWait = 5 * time.Second

// runUnit runs argv as a transient service and waits until it has ended. The end is noticed by a
// socket only the program holds, which is sooner than systemd says it.
func runUnit(ctx context.Context, name string, argv []string, stdout, stderr *os.File) error {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("reach systemd: %w", err)
	}
	defer conn.Close()
	alive, held, err := emptyInput()
	if err != nil {
		return err
	}
	defer alive.Close()
	unit := unitName(name)
	err = launch(ctx, conn, unit, service(argv, []*os.File{held, stdout, stderr}))
	held.Close()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		alive.Read(make([]byte, 1))
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		stopUnit(conn, unit)
		return fmt.Errorf("%s was stopped: %w", argv[0], context.Cause(ctx))
	}
}

// emptyInput returns a standard input that is at its end from the beginning, and a file that is when
// the last process has closed that input.
func emptyInput() (alive, input *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(unix.Shutdown(fds[0], unix.SHUT_WR), unix.SetNonblock(fds[0], true))
	alive, input = os.NewFile(uintptr(fds[0]), "alive"), os.NewFile(uintptr(fds[1]), "input")
	if err != nil {
		alive.Close()
		input.Close()
		return nil, nil, err
	}
	return alive, input, nil
}

// startUnit runs argv as a transient service and returns its process id once its exec succeeded.
func startUnit(ctx context.Context, name string, argv []string, stdio []*os.File) (int, error) {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("reach systemd: %w", err)
	}
	defer conn.Close()
	unit := unitName(name)
	if err := launch(ctx, conn, unit, service(argv, stdio)); err != nil {
		return 0, err
	}
	prop, err := conn.GetServicePropertyContext(ctx, unit, "MainPID")
	if err != nil {
		return 0, fmt.Errorf("%s ended at once: %w", argv[0], err)
	}
	pid, _ := prop.Value.Value().(uint32)
	if pid == 0 {
		return 0, fmt.Errorf("%s ended at once", argv[0])
	}
	return int(pid), nil
}

// launch starts the unit and returns when systemd's start job is done, which with Type=exec is
// after the program's exec.
func launch(ctx context.Context, conn *dbus.Conn, unit string, props []dbus.Property) error {
	job := make(chan string, 1)
	if _, err := conn.StartTransientUnitContext(ctx, unit, "replace", props, job); err != nil {
		return fmt.Errorf("start %s: %w", unit, err)
	}
	select {
	case result := <-job:
		if result != "done" {
			return fmt.Errorf("start %s: systemd says %q; 'journalctl -u %s' may tell more", unit, result, unit)
		}
		return nil
	case <-ctx.Done():
		stopUnit(conn, unit)
		return fmt.Errorf("start %s: %w", unit, context.Cause(ctx))
	}
}

// service describes a unit that leaves nothing behind when it has ended, and that, when stopped,
// loses only its main process: the monitor of a container may still be in its cgroup.
func service(argv []string, stdio []*os.File) []dbus.Property {
	props := []dbus.Property{
		dbus.PropDescription("Lodge helper"),
		property("ExecStart", []command{{Path: argv[0], Args: literal(argv)}}),
		property("Type", "exec"),
		property("CollectMode", "inactive-or-failed"),
		property("KillMode", "process"),
		property("TasksMax", ^uint64(0)),
	}
	for i, name := range []string{"StandardInputFileDescriptor", "StandardOutputFileDescriptor", "StandardErrorFileDescriptor"} {
		if i < len(stdio) && stdio[i] != nil {
			props = append(props, property(name, godbus.UnixFD(stdio[i].Fd())))
		} else {
			props = append(props, property(strings.TrimSuffix(name, "FileDescriptor"), "null"))
		}
	}
	return props
}

// A command is systemd's type for ExecStart over D-Bus (org.freedesktop.systemd1(5)).
type command struct {
	Path             string
	Args             []string
	UncleanIsFailure bool
}

// literal keeps systemd from putting variables of its environment into arguments
// (systemd.service(5), "Command lines").
func literal(argv []string) []string {
	args := make([]string, len(argv))
	for i, arg := range argv {
		args[i] = strings.ReplaceAll(arg, "$", "$$")
	}
	return args
}

func property(name string, value any) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

// stopUnit works with a context of its own, since it is called when the caller's is over.
func stopUnit(conn *dbus.Conn, unit string) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	done := make(chan string, 1)
	if _, err := conn.StopUnitContext(ctx, unit, "replace", done); err != nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// unitName makes a name no other unit has. Characters a unit name can't hold become underscores.
func unitName(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_.", r):
			return r
		}
		return '_'
	}, name)
	return fmt.Sprintf("lodge-%.100s-%s.service", safe, strings.ToLower(rand.Text()[:8]))
}
