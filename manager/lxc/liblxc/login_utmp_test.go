package liblxc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
	"lodge/packaging/need"
)

// Places of utmp(5) in a record, and what glibc makes of its longs: 32 bits on amd64, 64 on arm64.
const (
	utType, utPID, utLine, utID, utUser, utHost = 0, 4, 8, 40, 44, 76
	utUserProcess, utDeadProcess                = 7, 8
)

var utSize, utTime, utAddress = utLayout()

func utLayout() (size, seconds, address int) {
	if runtime.GOARCH == "arm64" {
		return 400, 344, 360
	}
	return 384, 340, 348
}

// A utmp is one record.
type utmp struct {
	kind, pid            int
	line, id, user, host string
	address              [16]byte
	at                   time.Time
}

func utmpsIn(t *testing.T, path string) (all []utmp) {
	t.Helper()
	raw, err := os.ReadFile(path)
	sessiontest.Must(t, err)
	if len(raw)%utSize != 0 {
		t.Fatalf("%s has %d bytes", path, len(raw))
	}
	text := func(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }
	for ; len(raw) > 0; raw = raw[utSize:] {
		all = append(all, utmp{kind: int(binary.NativeEndian.Uint16(raw[utType:])), pid: int(binary.NativeEndian.Uint32(raw[utPID:])),
			line: text(raw[utLine:utID]), id: text(raw[utID:utUser]), user: text(raw[utUser:utHost]), host: text(raw[utHost : utHost+256]),
			address: [16]byte(raw[utAddress:]), at: time.Unix(int64(binary.NativeEndian.Uint32(raw[utTime:])), 0)})
	}
	return all
}

// patience is more than any machine takes to tell the container of a login.
const patience = time.Minute

// eventually waits for what somebody else does in a moment.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not within 30 seconds: " + what)
}

// loginBox is a box with the files of who and last, and where they are.
func loginBox(t *testing.T) (b *sessiontest.Box, who, last string) {
	t.Helper()
	b = sessiontest.NewBox(t)
	who, last = filepath.Join(b.Rootfs, "run/utmp"), filepath.Join(b.Rootfs, "var/log/wtmp")
	sessiontest.Must(t, os.MkdirAll(filepath.Dir(who), 0o755))
	sessiontest.Must(t, os.MkdirAll(filepath.Dir(last), 0o755))
	return b, who, last
}

// A loggedIn is a session on a terminal that goes on.
type loggedIn struct {
	*held
	pid  int
	line string
}

var saidLine = regexp.MustCompile(`at (\d+) /dev/(pts/\d+)\.`)

// logIn opens a session of ann's whose shell has children that leave it.
func logIn(t *testing.T, b *sessiontest.Box, from string) loggedIn {
	t.Helper()
	h := open(t, b, stream.Spec{TTY: true, Stdin: true, User: "ann", Login: &stream.Login{From: from, Who: "ann@there", Wait: patience},
		Command: []string{"sh", "-c", "setsid sleep 4713 & echo at $$ $(tty).; read line"}})
	out := &screen{feed: make(chan []byte, 100)}
	go h.attach().Run(context.Background(), blocked{}, out, nil, nil)
	out.expect(t, "at ")
	said := "at " + out.all.String()
	for !saidLine.MatchString(said) {
		said += string(<-out.feed)
	}
	m := saidLine.FindStringSubmatch(said)
	pid, _ := strconv.Atoi(m[1])
	return loggedIn{h, pid, m[2]}
}

// kill ends it, and returns when the container was told.
func (l loggedIn) kill(b *sessiontest.Box) {
	l.t.Helper()
	control := l.dial(stream.Attach{Control: true, Principal: "lodged"})
	frame, _ := stream.AppendJSON(nil, stream.TypeKill, stream.Kill{By: "root", Reason: "test"})
	control.Write(frame)
	eventually(l.t, "the keeper is gone", func() bool { return !strings.Contains(b.Inside(l.t, "ps"), "lodge-login") })
}

// TestLoginIsOnRecord: what the host's own who and last make of the container's files is true, while the
// session goes on and after its end, whichever it is.
func TestLoginIsOnRecord(t *testing.T) {
	need.Programs(t, "who", "last")
	b, who, last := loginBox(t)
	logIn(t, b, "192.0.2.7").kill(b)
	for _, path := range []string{who, last} {
		if _, err := os.Lstat(path); err == nil {
			t.Fatalf("%s was made", path)
		}
		sessiontest.Must(t, os.WriteFile(path, nil, 0o664))
	}
	for _, tc := range []struct {
		name, from string
		end        func(l loggedIn)
	}{
		{"ended by somebody", "192.0.2.7", func(l loggedIn) { l.kill(b) }},
		{"its holder is killed", "2001:db8::7", func(l loggedIn) { l.holder.Process.Kill() }},
		{"the shell ends", "", func(l loggedIn) { b.Inside(t, "kill", "-9", strconv.Itoa(l.pid)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := logIn(t, b, tc.from)
			want := utmp{kind: utUserProcess, pid: l.pid, line: l.line, id: l.line[max(0, len(l.line)-4):], user: "ann", host: tc.from}
			if a, err := netip.ParseAddr(tc.from); err == nil {
				copy(want.address[:], a.AsSlice())
			}
			testRecord(t, who, want)
			testRecord(t, last, want)
			out, err := exec.Command("who", who).CombinedOutput()
			if err != nil || !regexp.MustCompile(`(?m)^ann +`+l.line+` .*`+regexp.QuoteMeta(tc.from)).Match(out) {
				t.Errorf("who: %v\n%s", err, out)
			}
			tc.end(l)
			gone := utmp{kind: utDeadProcess, pid: l.pid, line: l.line, id: want.id}
			eventually(t, "the end is on record", func() bool {
				all := utmpsIn(t, last)
				return all[len(all)-1].kind == utDeadProcess
			})
			testRecord(t, who, gone)
			testRecord(t, last, gone)
			if out, _ := exec.Command("who", who).CombinedOutput(); len(out) > 0 {
				t.Errorf("who is there yet?\n%s", out)
			}
			// In the second of the logout, last says that it goes on.
			eventually(t, "last tells of it", func() bool {
				out, _ := exec.Command("last", "-w", "-f", last).CombinedOutput()
				return regexp.MustCompile(`(?m)^ann +` + l.line + ` +` + regexp.QuoteMeta(tc.from) + `.* - .*\(00:0`).Match(out)
			})
		})
	}
}

// testRecord looks for the last record of a process.
func testRecord(t *testing.T, path string, want utmp) {
	t.Helper()
	var got utmp
	for _, u := range utmpsIn(t, path) {
		if u.pid == want.pid {
			got = u
		}
	}
	if age := time.Since(got.at); age < -time.Minute || age > time.Hour {
		t.Errorf("%s: at %v", path, got.at)
	}
	if got.at = want.at; got != want {
		t.Errorf("%s: %+v, want %+v", path, got, want)
	}
}

// TestLoginFilesOfAStranger: files that are none, or that somebody holds, keep nobody out and stay as
// they are.
func TestLoginFilesOfAStranger(t *testing.T) {
	b, who, last := loginBox(t)
	precious := filepath.Join(b.Rootfs, "etc/precious")
	odd := strings.Repeat("x", 1000) // records of another libc
	sessiontest.Must(t, os.WriteFile(precious, nil, 0o644))
	for what, plant := range map[string]func(path string) error{
		"a link":          func(path string) error { return os.Symlink("/etc/precious", path) },
		"a fifo":          func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a folder":        func(path string) error { return os.Mkdir(path, 0o755) },
		"other records":   func(path string) error { return os.WriteFile(path, []byte(odd), 0o644) },
		"a link to /proc": func(path string) error { return os.Symlink("/proc/self/mem", path) },
	} {
		t.Run(what, func(t *testing.T) {
			for _, path := range []string{who, last} {
				os.RemoveAll(path)
				sessiontest.Must(t, plant(path))
			}
			l := logIn(t, b, "192.0.2.7")
			l.kill(b)
			if o := l.outcome(); o.Exit.Signal != 9 {
				t.Errorf("%+v", o)
			}
			if text, _ := os.ReadFile(precious); len(text) > 0 {
				t.Errorf("written through a link: %q", text)
			}
			if info, _ := os.Lstat(who); info.Mode().IsRegular() && info.Size() != 1000 {
				t.Error("records of another kind were written to")
			}
		})
	}
}

func TestLoginFilesLocked(t *testing.T) {
	b, who, last := loginBox(t)
	sessiontest.Must(t, os.WriteFile(who, nil, 0o664))
	sessiontest.Must(t, os.WriteFile(last, nil, 0o664))
	f, err := os.OpenFile(who, os.O_RDWR, 0)
	sessiontest.Must(t, err)
	sessiontest.Must(t, syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}))
	l := logIn(t, b, "192.0.2.7")
	if all := utmpsIn(t, who); len(all) > 0 {
		t.Errorf("written under another's lock: %+v", all)
	}
	testRecord(t, last, utmp{kind: utUserProcess, pid: l.pid, line: l.line, id: l.line[max(0, len(l.line)-4):], user: "ann",
		host: "192.0.2.7", address: [16]byte{192, 0, 2, 7}})
	f.Close()
	l.kill(b)
	eventually(t, "the end is on record", func() bool { return len(utmpsIn(t, last)) == 2 })
}
