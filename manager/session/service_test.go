package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/session"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

func TestMain(m *testing.M) {
	if raw := os.Getenv("LODGE_TEST_AGENT"); raw != "" {
		agent(raw)
		return
	}
	sessiontest.Main(m)
}

func newWorld(t *testing.T) (*sessiontest.World, *session.Service) {
	t.Helper()
	w := sessiontest.NewWorld(t)
	s, _, err := w.Service()
	sessiontest.Must(t, err)
	return w, s
}

func request(verb string, args any) gate.Request {
	raw, _ := json.Marshal(args)
	return gate.Request{Verb: verb, Ref: inventory.Ref{Name: "box"}, Args: raw}
}

func TestExecIsRecorded(t *testing.T) {
	w, s := newWorld(t)
	ctx := sessiontest.Caller("ann")
	opened, err := s.Open(ctx, request("container.exec", inventory.SessionArgs{
		Command: []string{"sh", "-c", "echo the secret word; exit 4"}, Env: map[string]string{"TOKEN": "hush"}}))
	sessiontest.Must(t, err)
	conn, err := s.Attach(ctx, opened.ID, false)
	sessiontest.Must(t, err)
	var out bytes.Buffer
	exit, err := stream.Dial(conn).Run(ctx, nil, &out, nil, nil)
	if err != nil || exit.Code != 4 || out.String() != "the secret word\n" {
		t.Fatalf("%+v, %v, %q", exit, err, out.String())
	}
	r := w.Outcome(t, opened.ID)
	if r.Result != "exited 4" || r.Principal.Name != "ann" || r.Verb != "container.exec" {
		t.Errorf("outcome %+v", r)
	}
	for _, r := range w.Records() {
		raw, _ := json.Marshal(r)
		if bytes.Contains(raw, []byte("secret")) || bytes.Contains(raw, []byte("hush")) {
			t.Errorf("the journal holds the command line: %s", raw)
		}
		if !bytes.Contains(raw, []byte(`"argv0":"sh"`)) || !bytes.Contains(raw, []byte("command_hmac")) {
			t.Errorf("the journal lacks the program or the hash: %s", raw)
		}
	}
	for range 300 { // the row follows the record
		if rows, _ := w.Sessions(ctx, inventory.SessionQuery{ID: opened.ID}); rows[0].ExitCode == 4 && rows[0].Result == "exited" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	rows, _ := w.Sessions(ctx, inventory.SessionQuery{ID: opened.ID})
	if got := rows[0]; got.ExitCode != 4 || got.EndedAt.IsZero() || got.Command != "sh" {
		t.Errorf("row %+v", got)
	}
	noFiles(w, t, opened.ID)
	if _, err := s.Attach(ctx, opened.ID, false); !errors.Is(err, inventory.ErrState) {
		t.Errorf("attaching to an ended session: %v", err)
	}
}

// noFiles waits until nothing of the session is left but its recording.
func noFiles(w *sessiontest.World, t *testing.T, id inventory.SessionID) {
	t.Helper()
	var left []string
	for range 500 {
		if left, _ = filepath.Glob(filepath.Join(w.Box.Root, "run/sessions", string(id)+"*")); len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("left over: %v", left)
}

func TestRefusals(t *testing.T) {
	w, s := newWorld(t)
	for _, tc := range []struct {
		name string
		verb string
		args inventory.SessionArgs
		want error
	}{
		{"no command", "container.exec", inventory.SessionArgs{}, inventory.ErrInvalid},
		{"a shell with a command", "container.shell", inventory.SessionArgs{Command: []string{"x"}}, inventory.ErrInvalid},
		{"a huge terminal", "container.shell", inventory.SessionArgs{Columns: 1 << 20}, inventory.ErrInvalid},
		{"a strange variable", "container.exec", inventory.SessionArgs{Command: []string{"x"}, Env: map[string]string{"A=B": "c"}}, inventory.ErrInvalid},
		{"a NUL", "container.exec", inventory.SessionArgs{Command: []string{"a\x00b"}}, inventory.ErrInvalid},
		{"no such kind", "container.nap", inventory.SessionArgs{}, inventory.ErrInvalid},
	} {
		if _, err := s.Open(sessiontest.Caller("ann"), request(tc.verb, tc.args)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	w.Frozen = true
	if _, err := s.Open(sessiontest.Caller("ann"), request("container.shell", nil)); !errors.Is(err, inventory.ErrState) {
		t.Errorf("frozen: %v", err)
	}
	w.Frozen = false
	w.Init, _ = w.Box.Init()
	looks := 0
	w.Looked = func() {
		if looks++; looks == 3 { // the gate's and our first two
			w.Init = os.Getpid()
		}
	}
	if _, err := s.Open(sessiontest.Caller("ann"), request("container.shell", nil)); !errors.Is(err, inventory.ErrState) ||
		!strings.Contains(err.Error(), "restarted") {
		t.Errorf("restarted while it was judged: %v", err)
	}
	if err := s.End(sessiontest.Caller("ann"), "no such"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("end of nothing: %v", err)
	}
}

func TestEnd(t *testing.T) {
	w, s := newWorld(t)
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", inventory.SessionArgs{Command: []string{"sleep", "4713"}}))
	sessiontest.Must(t, err)
	sessiontest.Must(t, s.End(sessiontest.Caller("root"), opened.ID)) // at once: the holder has hardly begun
	if r := w.Outcome(t, opened.ID); r.Result != "ended by root" {
		t.Errorf("outcome %+v", r)
	}
	if out := w.Box.Inside(t, "sh", "-c", "ps | grep 4713 | grep -v grep; true"); out != "" {
		t.Errorf("left over: %s", out)
	}
	n, err := s.EndAll(sessiontest.Caller("root"), "lodged", "disabled", func(x inventory.Session) bool { return x.Principal.Name == "ann" })
	if n > 1 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
}

func TestConsoleIsShared(t *testing.T) {
	_, s := newWorld(t)
	first, err := s.Open(sessiontest.Caller("ann"), request("container.console", nil))
	sessiontest.Must(t, err)
	second, err := s.Open(sessiontest.Caller("bob"), request("container.console", nil))
	sessiontest.Must(t, err)
	if first.ID != second.ID {
		t.Error("two consoles of one container")
	}
	sessiontest.Must(t, s.End(sessiontest.Caller("ann"), first.ID))
}

// agent is another process that opens one session and waits to be killed.
func agent(raw string) {
	var order struct {
		Box  sessiontest.Box
		Args inventory.SessionArgs
	}
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	must(json.Unmarshal([]byte(raw), &order))
	w := &sessiontest.World{Box: order.Box}
	s, _, err := w.Service()
	must(err)
	opened, err := s.Open(sessiontest.Caller("ann"), request("container.exec", order.Args))
	must(err)
	fmt.Println(opened.ID)
	select {}
}

// openAndDie has a session opened by an agent that is then killed.
func openAndDie(w *sessiontest.World, t *testing.T, args inventory.SessionArgs, before func(inventory.SessionID)) inventory.SessionID {
	t.Helper()
	order, _ := json.Marshal(map[string]any{"Box": w.Box, "Args": args})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LODGE_TEST_AGENT="+string(order))
	out, err := cmd.StdoutPipe()
	sessiontest.Must(t, err)
	sessiontest.Must(t, cmd.Start())
	line := make([]byte, 37)
	if _, err := io.ReadFull(out, line); err != nil {
		rest, _ := io.ReadAll(out)
		t.Fatalf("agent: %v: %s%s", err, line, rest)
	}
	id := inventory.SessionID(line[:36])
	if before != nil {
		before(id)
	}
	cmd.Process.Kill()
	cmd.Wait()
	return id
}

func await(w *sessiontest.World, t *testing.T, id inventory.SessionID, suffix string) {
	t.Helper()
	for range 3000 {
		if _, err := os.Stat(filepath.Join(w.Box.Root, "run/sessions", string(id)+suffix)); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %s%s", id, suffix)
}

func TestSessionOutlivesTheAgent(t *testing.T) {
	w, _ := newWorld(t)
	id := openAndDie(w, t, inventory.SessionArgs{Command: []string{"sh", "-c", "echo before; cat; exit 6"}, Stdin: true},
		func(id inventory.SessionID) { await(w, t, id, ".json") })
	next, _, err := w.Service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	conn, err := next.Attach(sessiontest.Caller("ann"), id, false)
	sessiontest.Must(t, err)
	var out bytes.Buffer
	exit, err := stream.Dial(conn).Run(context.Background(), strings.NewReader("after\n"), &out, nil, nil)
	if err != nil || exit.Code != 6 || out.String() != "before\nafter\n" {
		t.Errorf("%+v, %v, %q", exit, err, out.String())
	}
	if r := w.Outcome(t, id); r.Result != "exited 6" || r.Principal.Name != "ann" || r.Verb != "container.exec" {
		t.Errorf("outcome %+v", r)
	}
}

func TestOutcomeWhileNoAgentRan(t *testing.T) {
	w, _ := newWorld(t)
	id := openAndDie(w, t, inventory.SessionArgs{Command: []string{"sh", "-c", "sleep 1; kill -9 $$"}}, nil)
	await(w, t, id, ".exit")
	next, _, err := w.Service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	if r := w.Outcome(t, id); r.Result != "signal 9" {
		t.Errorf("outcome %+v", r)
	}
}

func TestHolderKilled(t *testing.T) {
	w, _ := newWorld(t)
	id := openAndDie(w, t, inventory.SessionArgs{Command: []string{"sleep", "4714"}},
		func(id inventory.SessionID) { await(w, t, id, ".json") })
	raw, err := os.ReadFile(filepath.Join(w.Box.Root, "run/sessions", string(id)+".json"))
	sessiontest.Must(t, err)
	var f stream.Facts
	sessiontest.Must(t, json.Unmarshal(raw, &f))
	syscall.Kill(f.PID, syscall.SIGKILL)
	for syscall.Kill(f.PID, 0) == nil {
		if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.PID)); bytes.Contains(stat, []byte(") Z ")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	next, _, err := w.Service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	if r := w.Outcome(t, id); r.Result != "holder lost" {
		t.Errorf("outcome %+v", r)
	}
	if f.Cgroup != "" {
		time.Sleep(100 * time.Millisecond)
		if out := w.Box.Inside(t, "sh", "-c", "ps | grep 4714 | grep -v grep; true"); out != "" {
			t.Errorf("left over: %s", out)
		}
	}
	noFiles(w, t, id)
}
