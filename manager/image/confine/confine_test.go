package confine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/image/confine"
	"lodge/packaging/need"
)

// TestMain lets the test binary be the children's program.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		syscall.Exit(child(os.Args[2])) // not os.Exit: the race detector would wait a second
	}
	os.Exit(m.Run())
}

// attempts are what a sealed child must not manage; each returns nil if it did.
var attempts = map[string]func() error{
	"read the host's files": func() error { _, err := os.ReadFile("/etc/hostname"); return err },
	"leave by dots":         func() error { _, err := os.Stat("../../../../etc/hostname"); return err },
	"run a program":         func() error { return exec.Command("/proc/self/exe").Run() },
	"replace itself":        func() error { return unix.Exec("/bin/sh", []string{"sh"}, nil) },
	"make a process":        func() error { _, err := os.StartProcess("/bin/true", nil, &os.ProcAttr{}); return err },
	"open a socket":         func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return notRefused(err) },
	"mount":                 func() error { return unix.Mount("none", "/", "tmpfs", 0, "") },
	"chroot again":          func() error { return unix.Chroot(".") },
	"make a device":         func() error { return unix.Mknod("disk", unix.S_IFBLK|0o600, 0x801) },
	"trace":                 func() error { return unix.PtraceAttach(1) },
	"use a new namespace":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"load a filter":         func() error { return unix.Prctl(unix.PR_SET_SECCOMP, 2, 0, 0, 0) },
	"set a host's id":       func() error { return unix.Chown("file", 70000, 70000) },
	"set a trusted attribute": func() error {
		return unix.Setxattr("file", "trusted.x", []byte("y"), 0)
	},
}

// notRefused tells a socket that could not be made from one that reached nobody.
func notRefused(err error) error {
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENETUNREACH) {
		return nil
	}
	return err
}

func child(what string) int {
	if what == "wait" {
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	}
	if what == "attach" {
		if err := confine.Attach("/tmp"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := os.WriteFile("/tmp/made", []byte("x"), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if err := confine.Seal(confine.Bounds{FileSize: 1 << 20, Memory: 512 << 20, CPU: time.Minute}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.WriteFile("file", []byte("x"), 0o4755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name, attempt := range attempts {
		if attempt() == nil {
			fmt.Printf("it could %s\n", name)
		}
	}
	if err := os.Chown("file", 65535, 7); err != nil {
		fmt.Printf("it could not chown: %v\n", err)
	}
	return 0
}

// TestSealedChildCanOnlyWriteItsDirectory: what it writes has the ids it gave on disk, and all
// else fails.
func TestSealedChildCanOnlyWriteItsDirectory(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	var out bytes.Buffer
	if err := confine.Run(context.Background(), confine.Child{Args: []string{"child", "seal"}, Dir: dir, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Error(out.String())
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "file"), &st); err != nil || st.Uid != 65535 || st.Gid != 7 {
		t.Errorf("the file on disk belongs to %d:%d (%v), want 65535:7", st.Uid, st.Gid, err)
	}
}

func TestRootOfItsNamespaceWritesAsRoot(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	if err := confine.Run(context.Background(), confine.Child{Args: []string{"child", "attach"}, Dir: dir, Root: true}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "made"), &st); err != nil || st.Uid != 0 {
		t.Errorf("the file on disk belongs to %d (%v), want 0", st.Uid, err)
	}
	if strings.Contains(mounts(t), dir) {
		t.Error("a mount of the child is seen on the host")
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCancelKillsTheChild: Run returns with the reason, and nothing of the child is left.
func TestCancelKillsTheChild(t *testing.T) {
	need.Root(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("asked to stop")
	err := confine.Run(ctx, confine.Child{Args: []string{"child", "wait"}, Dir: t.TempDir(),
		Stdout: writer(func(p []byte) { cancel(why) })})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// TestFailureCarriesTheChildsWords: printable, and only the end of them.
func TestFailureCarriesTheChildsWords(t *testing.T) {
	need.Root(t)
	err := confine.Run(context.Background(), confine.Child{Exe: "/bin/sh", Dir: t.TempDir(),
		Args: []string{"-c", "printf 'E: no\\033[2J way\\n' >&2; exit 7"}})
	var exit *confine.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Text != "E: no[2J way" {
		t.Errorf("got %v", err)
	}
}
