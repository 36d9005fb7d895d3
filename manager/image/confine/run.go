package confine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Child is a program to run confined.
type Child struct {
	Exe    string     // path of the program; "" is the running program itself
	Args   []string   // after argv[0]
	Env    []string   // whole environment
	Dir    string     // directory handed over as file descriptor 3
	Files  []*os.File // file descriptors 4 and up
	IDBase uint32     // first host id of its range; 0 is DefaultIDBase

	// Root makes it root of its namespace with all capabilities there, and leaves it the host's
	// network: what a package installer needs. Otherwise it is nobody with only the capabilities
	// that writing a foreign file tree takes, and has no network at all.
	Root bool
	// Network leaves a child that is nobody the host's network, and takes the capabilities: what asks
	// servers has no file to write.
	Network bool

	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer // besides, its end is quoted in the error
}

// treeCapabilities are those of the child's own user namespace which files of many owners need:
// they hold only over inodes whose ids the namespace maps (capabilities(7), user_namespaces(7)).
// CAP_SYS_CHROOT is for Seal, whose seccomp filter then takes it out of reach.
var treeCapabilities = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID,
	unix.CAP_SETFCAP, unix.CAP_SYS_CHROOT,
}

// nobody is the id of a child that is not root, in its namespace.
const nobody = 65534

// Run starts the child and waits for it. The child and all it started are dead when Run returns:
// it is PID 1 of a PID namespace. It dies with ctx, and with the agent.
func Run(ctx context.Context, c Child) error {
	if c.IDBase == 0 {
		c.IDBase = DefaultIDBase
	}
	tree, err := openMapped(c.Dir, c.IDBase)
	if err != nil {
		return err
	}
	defer tree.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	last := &tail{}
	cmd := c.command(ctx, tree, last)
	// PR_SET_PDEATHSIG fires when the *thread* that forked ends (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return noNamespace(err)
	}
	return verdict(ctx, cmd.Wait(), last.String())
}

func (c *Child) command(ctx context.Context, tree *os.File, last io.Writer) *exec.Cmd {
	exe := c.Exe
	if exe == "" {
		// The link, not its target: it needs no right on the folders above and survives an
		// upgrade of the file.
		exe = "/proc/self/exe"
	}
	cmd := exec.CommandContext(ctx, exe, c.Args...)
	cmd.Env = c.Env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Dir = "/"
	cmd.ExtraFiles = append([]*os.File{tree}, c.Files...)
	cmd.Stdin, cmd.Stdout = c.Stdin, c.Stdout
	cmd.Stderr = last
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(c.Stderr, last)
	}
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = c.attributes()
	return cmd
}

func (c *Child) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings:                idMap(c.IDBase),
		GidMappings:                idMap(c.IDBase),
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
		Pdeathsig:                  unix.SIGKILL,
		Setsid:                     true,
	}
	if !c.Root {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if !c.Root && !c.Network {
		a.Cloneflags |= unix.CLONE_NEWNET
		a.AmbientCaps = treeCapabilities
	}
	return a
}

// An ExitError says that a child ran and ended badly. Text is the beginning and end of what it
// wrote to stderr: words of an untrusted program, made printable.
type ExitError struct {
	Code int
	Text string
	Err  error
}

func (e *ExitError) Error() string {
	if e.Text != "" {
		return e.Text
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

func verdict(ctx context.Context, err error, text string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Code: exit.ExitCode(), Text: text,
			Err: fmt.Errorf("the child ended with %v", err)}
	}
	return err
}

// tail keeps the first 256 bytes and the last 2 KiB written to it: a crash says why in its first
// line, a tool in its last.
type tail struct{ head, b []byte }

func (t *tail) Write(p []byte) (int, error) {
	if room := 256 - len(t.head); room > 0 {
		t.head = append(t.head, p[:min(room, len(p))]...)
		t.b = append(t.b, p[min(room, len(p)):]...)
	} else {
		t.b = append(t.b, p...)
	}
	if n := len(t.b) - 2048; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// String returns the text with everything unprintable but newlines taken out.
func (t *tail) String() string {
	clean := strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f && r != '�' {
			return r
		}
		return -1
	}, string(t.head)+string(t.b))
	return strings.TrimSpace(clean)
}
