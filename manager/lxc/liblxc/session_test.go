package liblxc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

var now = time.Now

var testTime = now()

func TestMain(m *testing.M) { sessiontest.Main(m) }

// A held is one session under test, with its holder.
type held struct {
	t      *testing.T
	id     string
	dir    string
	holder *exec.Cmd
}

// recordOf is what the test asks for, or a recording at path.
func recordOf(t *testing.T, path string, spec stream.Spec) *stream.Record {
	r := stream.Record{Max: 1 << 20, Command: strings.Join(spec.Command, " "), Began: time.Now()}
	if spec.Tail.Record != nil {
		r = *spec.Tail.Record
	}
	if r.Path == "" {
		r.Path = path
		sessiontest.Must(t, os.WriteFile(path, nil, 0o600))
	}
	return &r
}

// open starts a holder as the agent does: spec on stdin, listener on stdout.
func open(t *testing.T, b *sessiontest.Box, spec stream.Spec) *held {
	t.Helper()
	h := &held{t: t, id: inventory.NewID(testTime), dir: b.Root}
	spec.LXCPath, spec.LXCName, spec.IDBase = b.LXCPath, b.Name, sessiontest.IDBase
	if spec.Kind == "" {
		spec.Kind = "exec"
	}
	if spec.Init.PID == 0 {
		spec.Init.PID, spec.Init.StartTime = b.Init()
	}
	spec.Tail = stream.SpecTail{ID: h.id, Session: json.RawMessage(`{}`), Directory: b.Root, Grace: 20,
		Record: recordOf(t, filepath.Join(b.Root, h.id+".rec"), spec), Spool: 1 << 30, Columns: spec.Columns, Rows: spec.Rows,
		LogFile: filepath.Join(b.LXCPath, b.Name, "lxc.log"), Attached: spec.Tail.Attached}
	raw, err := spec.Encode()
	sessiontest.Must(t, err)
	l, err := net.Listen("unix", filepath.Join(b.Root, h.id+".sock"))
	sessiontest.Must(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	file, err := l.(*net.UnixListener).File()
	sessiontest.Must(t, err)
	in, out, err := os.Pipe()
	sessiontest.Must(t, err)
	h.holder = exec.Command(b.Helper, "session", h.id)
	h.holder.Env = []string{}
	h.holder.Stdin, h.holder.Stdout, h.holder.Stderr = in, file, os.Stderr
	h.holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	sessiontest.Must(t, h.holder.Start())
	in.Close()
	file.Close()
	l.Close()
	_, err = out.Write(raw)
	sessiontest.Must(t, err)
	out.Close()
	gone := make(chan struct{})
	go func() { h.holder.Wait(); close(gone) }()
	t.Cleanup(func() { h.holder.Process.Kill(); <-gone })
	return h
}

// dial connects with the agent's preface already sent.
func (h *held) dial(a stream.Attach) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(h.dir, h.id+".sock"))
	sessiontest.Must(h.t, err)
	frame, err := stream.AppendJSON(nil, stream.TypeAttach, a)
	sessiontest.Must(h.t, err)
	_, err = conn.Write(frame)
	sessiontest.Must(h.t, err)
	return conn
}

func (h *held) attach() *stream.Client { return stream.Dial(h.dial(stream.Attach{Principal: "ann"})) }

// outcome waits for the holder's end and returns what it left.
func (h *held) outcome() stream.Outcome {
	h.t.Helper()
	var o stream.Outcome
	for range 6000 {
		raw, err := os.ReadFile(filepath.Join(h.dir, h.id+".exit"))
		if err == nil {
			sessiontest.Must(h.t, json.Unmarshal(raw, &o))
			return o
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatal("the holder left no outcome")
	return o
}

// run executes a command to its end.
func run(t *testing.T, b *sessiontest.Box, spec stream.Spec, stdin io.Reader) (exit stream.Exit, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	exit, failure := open(t, b, spec).attach().Run(ctx, stdin, &out, &err, nil)
	if failure != nil {
		t.Fatalf("run %q: %v (stdout %q, stderr %q)", spec.Command, failure, out.String(), err.String())
	}
	return exit, out.String(), err.String()
}

func TestExitCodes(t *testing.T) {
	b := sessiontest.NewBox(t)
	for _, tc := range []struct {
		name    string
		command []string
		user    string
		want    stream.Exit
	}{
		{"zero", []string{"true"}, "", stream.Exit{Kind: stream.Exited}},
		{"one", []string{"false"}, "", stream.Exit{Kind: stream.Exited, Code: 1}},
		{"255 is no failure to attach", []string{"sh", "-c", "exit 255"}, "", stream.Exit{Kind: stream.Exited, Code: 255}},
		{"125 of the command's own", []string{"sh", "-c", "exit 125"}, "", stream.Exit{Kind: stream.Exited, Code: 125}},
		{"KILL", []string{"sh", "-c", "kill -9 $$"}, "", stream.Exit{Kind: stream.Signalled, Code: 137, Signal: 9}},
		{"TERM", []string{"sh", "-c", "kill -15 $$"}, "", stream.Exit{Kind: stream.Signalled, Code: 143, Signal: 15}},
		{"not found", []string{"absent"}, "", stream.Exit{Kind: stream.FailedToRun, Code: 127}},
		{"not executable", []string{"/etc/plain"}, "", stream.Exit{Kind: stream.FailedToRun, Code: 126}},
		{"a folder", []string{"/etc"}, "", stream.Exit{Kind: stream.FailedToRun, Code: 126}},
		{"no such user", []string{"true"}, "nobody-here", stream.Exit{Kind: stream.FailedToRun, Code: 125}},
		{"no such group", []string{"true"}, "ann:absent", stream.Exit{Kind: stream.FailedToRun, Code: 125}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			exit, _, _ := run(t, b, stream.Spec{Command: tc.command, User: tc.user}, nil)
			if exit.Kind == stream.FailedToRun && exit.Message == "" {
				t.Error("no reason given")
			}
			exit.Message = ""
			if exit != tc.want {
				t.Errorf("%q ended as %+v, want %+v", tc.command, exit, tc.want)
			}
		})
	}
}
