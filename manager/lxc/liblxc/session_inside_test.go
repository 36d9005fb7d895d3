package liblxc_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lodge/manager/session/recording"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// field returns the value of a line of /proc/PID/status.
func field(status, name string) string {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func TestConfinement(t *testing.T) {
	b := sessiontest.NewBox(t)
	yardstick := b.Inside(t, "cat", "/proc/self/status")
	for _, tc := range []struct{ user, uid, groups string }{
		{"", "0", "0 2000"},
		{"ann", "1000", "1000 2000 2001"},
		{"1000", "1000", "1000 2000 2001"},
		{"ann:audio", "1000", "2000 2001"},
		{"4242", "4242", "4242"},
		{"4242:7", "4242", "7"},
	} {
		t.Run("user "+tc.user, func(t *testing.T) {
			exit, status, _ := run(t, b, stream.Spec{Command: []string{"cat", "/proc/self/status"}, User: tc.user}, nil)
			if exit.Code != 0 {
				t.Fatalf("ended as %+v", exit)
			}
			if got := field(status, "Seccomp"); got != "2" {
				t.Errorf("Seccomp: %s, want 2 (filter)", got)
			}
			for _, name := range []string{"CapBnd", "NoNewPrivs", "Seccomp_filters"} {
				if got, want := field(status, name), field(yardstick, name); got != want {
					t.Errorf("%s: %s, lxc-attach has %s", name, got, want)
				}
			}
			if got := strings.Fields(field(status, "Uid")); got[0] != tc.uid || got[3] != tc.uid {
				t.Errorf("Uid: %v, want %s", got, tc.uid)
			}
			if got := field(status, "Groups"); got != tc.groups {
				t.Errorf("Groups: %s, want %s", got, tc.groups)
			}
			if got := field(status, "CapEff"); tc.uid != "0" && got != "0000000000000000" {
				t.Errorf("CapEff of uid %s: %s", tc.uid, got)
			}
		})
	}
	if drop := "CapBnd"; field(yardstick, drop) == "000001ffffffffff" {
		t.Error("the yardstick has all capabilities: the test proves nothing")
	}
}

func TestCgroup(t *testing.T) {
	b := sessiontest.NewBox(t)
	_, inside, _ := run(t, b, stream.Spec{Command: []string{"cat", "/proc/self/cgroup"}}, nil)
	for _, line := range strings.Split(strings.TrimSpace(inside), "\n") {
		// From inside its cgroup namespace the container's own cgroup is "/".
		if strings.Contains(line, "/..") {
			t.Errorf("outside the container's cgroup: %s", line)
		}
	}
	if strings.Contains(inside, "0::/") && !regexp.MustCompile(`0::/.*lodge-[0-9a-f-]{36}`).MatchString(inside) {
		t.Errorf("no cgroup of its own:\n%s", inside)
	}
}

func TestEnvironment(t *testing.T) {
	b := sessiontest.NewBox(t)
	_, out, _ := run(t, b, stream.Spec{Command: []string{"sh", "-c", "env; pwd; umask; ls -l /proc/self/fd | wc -l"},
		User: "ann", Env: []string{"GREETING=good morning", "PATH=/bin:/opt"}}, nil)
	for _, want := range []string{"HOME=/home/ann", "USER=ann", "LOGNAME=ann", "SHELL=/bin/sh", "GREETING=good morning",
		"PATH=/bin:/opt", "FROM_CONFIG=yes", "container=lxc", "\n/home/ann\n", "\n0022\n"} {
		if !strings.Contains("\n"+out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "TERM=") {
		t.Error("TERM is set without a terminal")
	}
	// ls itself has 0 to 2 and the folder open; one line is "total".
	if !strings.HasSuffix(strings.TrimSpace(out), "5") {
		t.Errorf("descriptors of the holder reached the command:\n%s", out)
	}
	exit, out, _ := run(t, b, stream.Spec{Command: []string{"pwd"}, Dir: "/etc"}, nil)
	if out != "/etc\n" || exit.Code != 0 {
		t.Errorf("dir /etc: %q, %+v", out, exit)
	}
	exit, _, _ = run(t, b, stream.Spec{Command: []string{"pwd"}, Dir: "/absent"}, nil)
	if exit.Kind != stream.FailedToRun || exit.Code != 125 {
		t.Errorf("dir /absent: %+v", exit)
	}
}

func TestStandardStreams(t *testing.T) {
	b := sessiontest.NewBox(t)
	t.Run("half close", func(t *testing.T) {
		exit, out, _ := run(t, b, stream.Spec{Stdin: true, Command: []string{"sh", "-c", "cat; echo after"}}, strings.NewReader("hello\n"))
		if out != "hello\nafter\n" || exit.Code != 0 {
			t.Errorf("got %q, %+v", out, exit)
		}
	})
	t.Run("no stdin is an empty one", func(t *testing.T) {
		_, out, _ := run(t, b, stream.Spec{Command: []string{"wc", "-c"}}, nil)
		if strings.TrimSpace(out) != "0" {
			t.Errorf("got %q", out)
		}
	})
	t.Run("stderr apart, opened by name as another user", func(t *testing.T) {
		exit, out, errors := run(t, b, stream.Spec{User: "ann", Command: []string{"sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"}}, nil)
		if out != "out\n" || errors != "err\n" {
			t.Errorf("stdout %q, stderr %q, %+v", out, errors, exit)
		}
	})
	t.Run("a command that reads nothing", func(t *testing.T) {
		exit, _, _ := run(t, b, stream.Spec{Stdin: true, Command: []string{"true"}}, io.LimitReader(zeros{}, 10<<20))
		if exit.Code != 0 {
			t.Errorf("%+v", exit)
		}
	})
	t.Run("a background process does not hold the session", func(t *testing.T) {
		_, out, _ := run(t, b, stream.Spec{Command: []string{"sh", "-c", "sleep 300 & echo done"}}, nil)
		if out != "done\n" {
			t.Errorf("got %q", out)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestTerminal(t *testing.T) {
	b := sessiontest.NewBox(t)
	term := stream.Spec{TTY: true, Columns: 101, Rows: 33}
	t.Run("is one of the container's", func(t *testing.T) {
		term := term
		term.Command, term.User, term.Term = []string{"sh", "-c", "tty; stty size; echo $TERM; test -w $(tty) && echo mine; ls -ln $(tty)"}, "ann", "vt100"
		_, out, _ := run(t, b, term, nil)
		if !regexp.MustCompile(`^/dev/pts/\d+\r\n33 101\r\nvt100\r\nmine\r\ncrw--w----\s+1 1000\s+5 `).MatchString(out) {
			t.Errorf("got %q", out)
		}
	})
	t.Run("last words arrive", func(t *testing.T) {
		term := term
		term.Command = []string{"sh", "-c", "seq 1 5000; exit 7"}
		exit, out, _ := run(t, b, term, nil)
		if exit.Code != 7 || !strings.HasSuffix(out, "4999\r\n5000\r\n") {
			t.Errorf("%+v, %d bytes, end %q", exit, len(out), out[max(0, len(out)-20):])
		}
	})
	t.Run("login shell, resize, Ctrl-C", func(t *testing.T) { testInteractive(t, b) })
}

// A screen collects output and lets a test wait for a text in it.
type screen struct {
	feed chan []byte
	all  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.feed <- bytes.Clone(b)
	return len(b), nil
}

func (s *screen) expect(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(s.all.String(), text) {
		select {
		case b := <-s.feed:
			s.all.Write(b)
		case <-deadline:
			t.Fatalf("waited for %q in %q", text, s.all.String())
		}
	}
	s.all.Next(strings.Index(s.all.String(), text) + len(text))
}

func testInteractive(t *testing.T, b *sessiontest.Box) {
	h := open(t, b, stream.Spec{Kind: "shell", TTY: true, Stdin: true, Columns: 80, Rows: 24})
	client := h.attach()
	keys, typed := io.Pipe()
	out := &screen{feed: make(chan []byte, 1000)}
	sizes := make(chan stream.Size)
	type ending struct {
		exit stream.Exit
		err  error
	}
	ended := make(chan ending, 1)
	go func() {
		exit, err := client.Run(context.Background(), keys, out, nil, sizes)
		ended <- ending{exit, err}
	}()
	typed.Write([]byte("echo $0 $((40+2))\n"))
	out.expect(t, "-sh 42")
	sizes <- stream.Size{Columns: 132, Rows: 50}
	typed.Write([]byte("stty size\n"))
	out.expect(t, "50 132")
	typed.Write([]byte("sleep 600; echo code=$?\n"))
	time.Sleep(300 * time.Millisecond)
	typed.Write([]byte{3}) // Ctrl-C
	typed.Write([]byte("echo code=$?\n"))
	out.expect(t, "code=130")
	typed.Write([]byte("exit 9\n"))
	e := <-ended
	if e.err != nil || e.exit.Code != 9 {
		t.Errorf("%+v, %v", e.exit, e.err)
	}
	o := h.outcome()
	file, err := os.ReadFile(filepath.Join(b.Root, h.id+".rec"))
	sessiontest.Must(t, err)
	r, err := recording.NewReader(bytes.NewReader(file))
	sessiontest.Must(t, err)
	var cast bytes.Buffer
	sessiontest.Must(t, recording.Export(&cast, r, recording.AsciicastV2))
	for _, want := range []string{`{"version":2,"width":80,"height":24,`, `"r","132x50"]`, `-sh 42`} {
		if !strings.Contains(cast.String(), want) {
			t.Errorf("the recording lacks %s", want)
		}
	}
	if o.SHA256 != digest(file) || o.Recorded != int64(len(file)) {
		t.Errorf("the outcome is of another recording: %+v", o)
	}
}
