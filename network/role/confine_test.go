package role_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/network/role"
	"lodge/packaging/need"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "lodgetest-confined" {
		os.Exit(confined())
	}
	os.Exit(m.Run())
}

// confined gives up its privileges and tries what it must no longer be able to do, and what it must.
func confined() int {
	role.WarmUp()
	filtered, err := role.Confine(1_900_000_123, 1_900_000_123)
	if err != nil || !filtered {
		fmt.Println("not confined:", filtered, err)
		return 1
	}
	code := 0
	for what, try := range forbidden() {
		if err := try(); !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOSYS) {
			fmt.Println("is allowed to", what, err)
			code = 1
		}
	}
	if err := work(); err != nil {
		fmt.Println("can't do its work:", err)
		code = 1
	}
	return code
}

func forbidden() map[string]func() error {
	socket := func(domain, kind int) func() error {
		return func() error { _, err := unix.Socket(domain, kind, 0); return err }
	}
	return map[string]func() error{
		"open a file":         func() error { _, err := os.Open("/etc/hostname"); return err },
		"write a file":        func() error { return os.WriteFile("/tmp/lodgetest", nil, 0o600) },
		"read a folder":       func() error { _, err := os.ReadDir("/"); return err },
		"run a program":       func() error { return exec.Command("/bin/true").Run() },
		"bind a port":         func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
		"use netlink":         socket(unix.AF_NETLINK, unix.SOCK_RAW),
		"use packet sockets":  socket(unix.AF_PACKET, unix.SOCK_RAW),
		"use unix sockets":    socket(unix.AF_UNIX, unix.SOCK_STREAM),
		"signal others":       func() error { return syscall.Kill(os.Getppid(), 0) },
		"trace":               func() error { return unix.PtraceAttach(1) },
		"make a namespace":    func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"become root":         func() error { return unix.Setuid(0) },
		"mount":               func() error { return unix.Mount("", "/", "", 0, "") },
		"use io_uring (mmap)": func() error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return e },
	}
}

// work is what a name server needs: memory, threads, time and the network.
func work() error {
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			runtime.LockOSThread() // and with that a thread of its own
			_ = make([]byte, 1<<20)
			time.Sleep(time.Millisecond)
		})
	}
	wg.Wait()
	runtime.GC()
	for _, addr := range []string{"127.0.0.1:9", "[::1]:9"} {
		conn, err := net.Dial("udp", addr)
		if err != nil {
			return err
		}
		conn.Close()
	}
	_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
	if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

func TestConfined(t *testing.T) {
	need.Root(t)
	out, err := exec.Command(os.Args[0], "lodgetest-confined").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, strings.TrimSpace(string(out)))
	}
}
