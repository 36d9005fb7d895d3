package systemd_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/systemd"
	"lodge/packaging/need"
)

// What journald's socket gets is its native protocol, whatever the size of an entry. The socket is one of the
// test's own, in a mount namespace of this thread, so that no journald gets it.
func TestJournald(t *testing.T) {
	need.Root(t)
	runtime.LockOSThread() // the thread ends with the test, and its namespace with it
	for _, err := range []error{unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("none", "/run", "tmpfs", 0, ""), os.MkdirAll("/run/systemd/journal", 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := (systemd.Journald{}).Send("x", 6, nil); err == nil {
		t.Error("an entry that nobody takes is no error")
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/run/systemd/journal/socket", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, message := range []string{`{"seq":1}`, "two\nlines", strings.Repeat("x", 1<<20)} {
		if err := (systemd.Journald{}).Send(message, 4, map[string]string{"LODGE_SEQ": "1"}); err != nil {
			t.Fatal(err)
		}
		got := entry(t, conn)
		if !strings.Contains(got, "PRIORITY=4\n") || !strings.Contains(got, "LODGE_SEQ=1\n") || !strings.Contains(got, message+"\n") {
			t.Errorf("journald gets %.100q", got)
		}
	}
}

// entry reads one entry: a datagram, or the file that comes with an empty one.
func entry(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf, oob := make([]byte, 1<<16), make([]byte, 256)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, m, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		return string(buf[:n])
	}
	control, err := syscall.ParseSocketControlMessage(oob[:m])
	if err != nil || len(control) != 1 {
		t.Fatalf("neither an entry nor a file: %v", err)
	}
	fds, err := syscall.ParseUnixRights(&control[0])
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
