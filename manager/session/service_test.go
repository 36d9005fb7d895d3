package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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

// A world is all a service needs: one container, everybody may do everything, memory for rows.
type world struct {
	gate.Store // what the gate does not need for sessions stays nil
	Box        sessiontest.Box
	Frozen     bool
	Init       int // when set, what is observed without asking the monitor
	Unmeasured int // so many times Init is not known yet

	mu      sync.Mutex
	rows    map[inventory.SessionID]inventory.Session
	records []inventory.Record
}

func (w *world) Container(context.Context, inventory.Ref) (*inventory.Container, error) {
	return &inventory.Container{ID: "0190a000-0000-7000-8000-00000000beef", Name: w.Box.Name, IDBase: sessiontest.IDBase}, nil
}
func (w *world) Allowed(inventory.Principal, inventory.Right, *inventory.Container) bool { return true }
func (w *world) Review(context.Context, *gate.Request, *inventory.Plan) gate.Decision {
	return gate.Decision{Verdict: gate.Allow}
}
func (w *world) Revision() string { return "1" }
func (w *world) Observe(*inventory.Container) inventory.Observed {
	w.mu.Lock()
	known := w.Init != 0
	w.Unmeasured--
	measured := w.Unmeasured < 0
	w.mu.Unlock()
	switch {
	case known && measured:
		return inventory.Observed{State: inventory.StateRunning, InitPID: w.Init}
	case known:
		return inventory.Observed{State: inventory.StateRunning}
	}
	out, _ := exec.Command("lxc-info", "-P", w.Box.LXCPath, "-n", w.Box.Name, "-pH").Output()
	pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	switch {
	case w.Frozen:
		return inventory.Observed{State: inventory.StateFrozen, InitPID: pid}
	case pid > 0:
		return inventory.Observed{State: inventory.StateRunning, InitPID: pid}
	}
	return inventory.Observed{State: inventory.StateStopped}
}
func (w *world) Append(_ context.Context, r inventory.Record) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
	return int64(len(w.records)), nil
}
func (w *world) SaveSession(_ context.Context, s inventory.Session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows == nil {
		w.rows = map[inventory.SessionID]inventory.Session{}
	}
	w.rows[s.ID] = s
	return nil
}
func (w *world) Sessions(_ context.Context, q inventory.SessionQuery) (out []inventory.Session, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.rows {
		if (q.ID == "" || q.ID == s.ID) && (!q.Live || s.EndedAt.IsZero()) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Start is the plainest starter there is.
func (w *world) Start(_ context.Context, _ string, argv []string, stdio ...*os.File) (int, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio[0], stdio[1], stdio[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go cmd.Wait()
	return cmd.Process.Pid, nil
}

func (w *world) service() (*session.Service, error) {
	s, err := session.New(session.Config{Root: w.Box.Root, LXCPath: w.Box.LXCPath, Helper: w.Box.Helper, Starter: w,
		Journal: w, Store: w, Observer: w, Key: []byte("key of the test"), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Rootfs: func(*inventory.Container) string { return w.Box.Rootfs }})
	if err != nil {
		return nil, err
	}
	g, err := gate.New(gate.Config{Host: "host", Store: w, Journal: w, Observer: w, Policy: w, Rights: w,
		Log: slog.New(slog.DiscardHandler), Now: time.Now}, s.Verbs()...)
	if err != nil {
		return nil, err
	}
	s.Use(g)
	return s, nil
}

func newWorld(t *testing.T) (*world, *session.Service) {
	t.Helper()
	w := &world{Box: *sessiontest.NewBox(t)}
	s, err := w.service()
	sessiontest.Must(t, err)
	t.Cleanup(w.killHolders)
	return w, s
}

// killHolders ends those that would wait for somebody to fetch their output.
func (w *world) killHolders() {
	paths, _ := filepath.Glob(filepath.Join(w.Box.Root, "run/sessions/*.json"))
	for _, path := range paths {
		var f stream.Facts
		if raw, err := os.ReadFile(path); err == nil && json.Unmarshal(raw, &f) == nil && f.PID > 1 {
			syscall.Kill(f.PID, syscall.SIGKILL)
		}
	}
}

func caller(name string) context.Context {
	return inventory.WithPrincipal(context.Background(), inventory.Principal{Name: name, Kind: inventory.KindPerson})
}

func request(verb string, args any) gate.Request {
	raw, _ := json.Marshal(args)
	return gate.Request{Verb: verb, Ref: inventory.Ref{Name: "box"}, Args: raw}
}

// outcome waits for the record of how a session ended.
func (w *world) outcome(t *testing.T, id inventory.SessionID) inventory.Record {
	t.Helper()
	for range 3000 {
		w.mu.Lock()
		for _, r := range w.records {
			if r.Kind == inventory.RecordOutcome && r.Session == id {
				w.mu.Unlock()
				return r
			}
		}
		w.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no outcome was recorded")
	return inventory.Record{}
}

func TestExecIsRecorded(t *testing.T) {
	w, s := newWorld(t)
	ctx := caller("ann")
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
	r := w.outcome(t, opened.ID)
	if r.Result != "exited 4" || r.Principal.Name != "ann" || r.Verb != "container.exec" {
		t.Errorf("outcome %+v", r)
	}
	for _, r := range w.records {
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
	w.noFiles(t, opened.ID)
	if _, err := s.Attach(ctx, opened.ID, false); !errors.Is(err, inventory.ErrState) {
		t.Errorf("attaching to an ended session: %v", err)
	}
}

// noFiles waits until nothing of the session is left but its recording.
func (w *world) noFiles(t *testing.T, id inventory.SessionID) {
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
		if _, err := s.Open(caller("ann"), request(tc.verb, tc.args)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	w.Frozen = true
	if _, err := s.Open(caller("ann"), request("container.shell", nil)); !errors.Is(err, inventory.ErrState) {
		t.Errorf("frozen: %v", err)
	}
	if err := s.End(caller("ann"), "no such"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("end of nothing: %v", err)
	}
}

func TestEnd(t *testing.T) {
	w, s := newWorld(t)
	opened, err := s.Open(caller("ann"), request("container.exec", inventory.SessionArgs{Command: []string{"sleep", "4713"}}))
	sessiontest.Must(t, err)
	sessiontest.Must(t, s.End(caller("root"), opened.ID)) // at once: the holder has hardly begun
	if r := w.outcome(t, opened.ID); r.Result != "ended by root" {
		t.Errorf("outcome %+v", r)
	}
	if out := w.Box.Inside(t, "sh", "-c", "ps | grep 4713 | grep -v grep; true"); out != "" {
		t.Errorf("left over: %s", out)
	}
	n, err := s.EndAll(caller("root"), "lodged", "disabled", func(x inventory.Session) bool { return x.Principal.Name == "ann" })
	if n > 1 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
}

func TestConsoleIsShared(t *testing.T) {
	_, s := newWorld(t)
	first, err := s.Open(caller("ann"), request("container.console", nil))
	sessiontest.Must(t, err)
	second, err := s.Open(caller("bob"), request("container.console", nil))
	sessiontest.Must(t, err)
	if first.ID != second.ID {
		t.Error("two consoles of one container")
	}
	sessiontest.Must(t, s.End(caller("ann"), first.ID))
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
	w := &world{Box: order.Box}
	s, err := w.service()
	must(err)
	opened, err := s.Open(caller("ann"), request("container.exec", order.Args))
	must(err)
	fmt.Println(opened.ID)
	select {}
}

// openAndDie has a session opened by an agent that is then killed.
func (w *world) openAndDie(t *testing.T, args inventory.SessionArgs, before func(inventory.SessionID)) inventory.SessionID {
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

func (w *world) await(t *testing.T, id inventory.SessionID, suffix string) {
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
	id := w.openAndDie(t, inventory.SessionArgs{Command: []string{"sh", "-c", "echo before; cat; exit 6"}, Stdin: true},
		func(id inventory.SessionID) { w.await(t, id, ".json") })
	next, err := w.service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	conn, err := next.Attach(caller("ann"), id, false)
	sessiontest.Must(t, err)
	var out bytes.Buffer
	exit, err := stream.Dial(conn).Run(context.Background(), strings.NewReader("after\n"), &out, nil, nil)
	if err != nil || exit.Code != 6 || out.String() != "before\nafter\n" {
		t.Errorf("%+v, %v, %q", exit, err, out.String())
	}
	if r := w.outcome(t, id); r.Result != "exited 6" || r.Principal.Name != "ann" || r.Verb != "container.exec" {
		t.Errorf("outcome %+v", r)
	}
}

func TestOutcomeWhileNoAgentRan(t *testing.T) {
	w, _ := newWorld(t)
	id := w.openAndDie(t, inventory.SessionArgs{Command: []string{"sh", "-c", "sleep 1; kill -9 $$"}}, nil)
	w.await(t, id, ".exit")
	next, err := w.service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	if r := w.outcome(t, id); r.Result != "signal 9" {
		t.Errorf("outcome %+v", r)
	}
}

func TestHolderKilled(t *testing.T) {
	w, _ := newWorld(t)
	id := w.openAndDie(t, inventory.SessionArgs{Command: []string{"sleep", "4714"}},
		func(id inventory.SessionID) { w.await(t, id, ".json") })
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
	next, err := w.service()
	sessiontest.Must(t, err)
	sessiontest.Must(t, next.Adopt(context.Background()))
	if r := w.outcome(t, id); r.Result != "holder lost" {
		t.Errorf("outcome %+v", r)
	}
	if f.Cgroup != "" {
		time.Sleep(100 * time.Millisecond)
		if out := w.Box.Inside(t, "sh", "-c", "ps | grep 4714 | grep -v grep; true"); out != "" {
			t.Errorf("left over: %s", out)
		}
	}
	w.noFiles(t, id)
}
