package liblxc_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// A wire is a D-Bus message being written.
type wire struct{ bytes.Buffer }

func (w *wire) align(n int) {
	for w.Len()%n != 0 {
		w.WriteByte(0)
	}
}

func (w *wire) number(n int) {
	w.align(4)
	binary.Write(w, binary.NativeEndian, uint32(n))
}

func (w *wire) text(s string) {
	w.number(len(s))
	w.WriteString(s + "\x00")
}

// reply is an answer to the call of that serial; error where the body is "".
func reply(kind byte, to int, signature, body string) string {
	var fields, w wire
	fields.Write([]byte{5, 1, 'u', 0})
	fields.number(to)
	fields.align(8)
	fields.Write([]byte{8, 1, 'g', 0, byte(len(signature))})
	fields.WriteString(signature + "\x00")
	w.Write([]byte{'l', kind, 1, 1})
	w.number(len(body))
	w.number(7)
	w.number(fields.Len())
	w.Write(fields.Bytes())
	w.align(8)
	return w.String() + body
}

// session is the body of logind's answer.
func session(id, runtime string) string {
	var w wire
	w.text(id)
	w.text("/org/freedesktop/login1/session/" + id)
	w.text(runtime)
	for range 2 {
		w.number(0)
	}
	w.text("")
	w.number(0)
	w.number(0)
	return w.String()
}

const (
	agreed = "OK 0123456789abcdef\r\nAGREE_UNIX_FD\r\n"
	method = 2
	failed = 3
)

// A bus is what the container has in the place of its own, played by the test.
type bus struct {
	t      *testing.T
	answer string
	rights []int // that go with it
	heard  chan string
}

// serve answers each connection once it has said all it has to, and keeps it open.
func (s *bus) serve(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			raw, _ := conn.SyscallConn()
			raw.Control(func(fd uintptr) {
				if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || peer.Uid != sessiontest.IDBase {
					s.t.Errorf("who asks is %+v, %v", peer, err)
				}
			})
			var said []byte
			for buf := make([]byte, 4096); !bytes.Contains(said, []byte("a(sv)")) || !bytes.Contains(said, []byte("192.0.2.7")); {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				said = append(said, buf[:n]...)
			}
			s.heard <- string(said)
			conn.WriteMsgUnix([]byte(s.answer), unix.UnixRights(s.rights...), nil)
			for buf := make([]byte, 1); s.answer != ""; {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
			<-s.t.Context().Done()
		}()
	}
}

// TestLoginIsAskedFor: logind is asked as pam_systemd does, and what it says is in the environment. What is
// no answer of its, or none at all, keeps nobody out.
func TestLoginIsAskedFor(t *testing.T) {
	b := sessiontest.NewBox(t)
	path := filepath.Join(b.Rootfs, "run/dbus/system_bus_socket")
	for _, dir := range []string{filepath.Dir(path), filepath.Join(b.Rootfs, "run/systemd/seats"), filepath.Join(b.Rootfs, "run/user/1000")} {
		sessiontest.Must(t, os.MkdirAll(dir, 0o755))
	}
	sessiontest.Must(t, os.Chown(filepath.Join(b.Rootfs, "run/user/1000"), 1000, 1000))
	var fifo [2]int
	sessiontest.Must(t, unix.Pipe2(fifo[:], unix.O_CLOEXEC))
	file, err := os.Open(path[:len(path)-len("run/dbus/system_bus_socket")] + "etc/passwd")
	sessiontest.Must(t, err)
	defer file.Close()
	good := reply(method, 2, "soshusub", session("c1", "/run/user/1000"))
	before := agreed + reply(method, 1, "s", "\x04\x00\x00\x00:1.1\x00")
	for _, tc := range []struct {
		name, answer string
		rights       []int
		want         string // session and runtime folder
	}{
		{"an answer", before + good, fifo[1:], "c1 /run/user/1000"},
		{"with descriptors of another kind, and many", before + good, []int{int(file.Fd()), fifo[0], fifo[1], fifo[1], int(file.Fd())}, "c1 /run/user/1000"},
		{"with signals between", agreed + reply(4, 0, "", "") + good, nil, "c1 /run/user/1000"},
		{"another's folder", before + reply(method, 2, "sos", session("c1", "/run")), nil, "c1"},
		{"a folder that is a link", before + reply(method, 2, "sos", session("c1", "/run/user/../user/0\n")), nil, "c1"},
		{"a refusal", before + reply(failed, 2, "s", ""), nil, ""},
		{"an id that is none", before + reply(method, 2, "sos", session("../c1", "/run/user/1000")), nil, ""},
		{"a long id", before + reply(method, 2, "sos", session(strings.Repeat("c", 64), "/run/user/1000")), nil, ""},
		{"an answer of another shape", before + reply(method, 2, "u", session("c1", "/run/user/1000")), nil, ""},
		{"strings that reach beyond it", before + reply(method, 2, "sos", "\xff\xff\xff\x7fc1"), nil, ""},
		{"strings without an end", before + reply(method, 2, "sos", "\x02\x00\x00\x00c1xx"), nil, ""},
		{"a header without an end", before + "l\x02\x01\x01\x00\x00\x00\x00\x07\x00\x00\x00\xff\xff\xff\xff", nil, ""},
		{"a header of half a field", before + "l\x02\x01\x01\x00\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\x00\x05\x01u\x00\x02\x00\x00\x00", nil, ""},
		{"a long message", before + "l\x02\x01\x01\xff\xff\xff\xff\x07\x00\x00\x00\x08\x00\x00\x00", nil, ""},
		{"the other byte order", before + "B" + good[1:], nil, ""},
		{"no answer to a greeting", "REJECTED EXTERNAL\r\nERROR\r\n", nil, ""},
		{"a line without an end", strings.Repeat("O", 1<<20), nil, ""},
		{"no word", "", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			os.Remove(path)
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			sessiontest.Must(t, err)
			defer l.Close()
			sessiontest.Must(t, os.Chmod(path, 0o666))
			s := &bus{t: t, answer: tc.answer, rights: tc.rights, heard: make(chan string, 1)}
			go s.serve(l)
			login := &stream.Login{From: "192.0.2.7", Who: "ann@there", Wait: patience}
			if tc.answer == "" {
				login.Wait = 300 * time.Millisecond
			}
			exit, out, _ := run(t, b, stream.Spec{TTY: true, User: "ann", Login: login,
				Command: []string{"sh", "-c", "tty; echo $XDG_SESSION_ID $XDG_RUNTIME_DIR; ls /proc/self/fd | wc -l"}}, nil)
			lines := strings.Split(strings.ReplaceAll(out, "\r", ""), "\n")
			if exit.Code != 0 || len(lines) != 4 || lines[1] != tc.want || lines[2] != "4" {
				t.Errorf("%+v, %q, want %q and 4 descriptors", exit, out, tc.want)
			}
			heard := <-s.heard
			for _, want := range []string{"\x00AUTH EXTERNAL 30\r\n", "CreateSession", "lodge", "ann@there", strings.TrimPrefix(lines[0], "/dev/")} {
				if !strings.Contains(heard, want) {
					t.Errorf("logind was not told %q: %q", want, heard)
				}
			}
		})
	}
}

// TestLoginIsHeld: logind's pipe is open as long as the session, and no longer, and no process of the
// session has it.
func TestLoginIsHeld(t *testing.T) {
	b := sessiontest.NewBox(t)
	path := filepath.Join(b.Rootfs, "run/dbus/system_bus_socket")
	sessiontest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	sessiontest.Must(t, os.MkdirAll(filepath.Join(b.Rootfs, "run/systemd/seats"), 0o755))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	sessiontest.Must(t, err)
	defer l.Close()
	sessiontest.Must(t, os.Chmod(path, 0o666))
	var fifo [2]int
	sessiontest.Must(t, unix.Pipe2(fifo[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	s := &bus{t: t, answer: agreed + reply(method, 2, "soshusub", session("c1", "")), rights: fifo[1:], heard: make(chan string, 1)}
	go s.serve(l)
	in := logIn(t, b, "192.0.2.7")
	unix.Close(fifo[1])
	if n, err := unix.Read(fifo[0], make([]byte, 1)); err != unix.EAGAIN {
		t.Errorf("the pipe is closed while the session goes on: %d, %v", n, err)
	}
	shown := b.Inside(t, "ls", "/proc/"+strconv.Itoa(in.pid)+"/fd")
	if strings.Join(strings.Fields(shown), " ") != "0 1 2" {
		t.Errorf("descriptors of the command: %q", shown)
	}
	in.kill(b)
	if n, err := unix.Read(fifo[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the pipe is open after the end: %d, %v", n, err)
	}
	syscall.Close(fifo[0])
}
