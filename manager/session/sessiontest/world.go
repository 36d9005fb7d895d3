package sessiontest

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/session"
	"lodge/manager/session/stream"
)

// A World is all a service needs: one container, everybody may do everything, memory for rows.
type World struct {
	gate.Store // what the gate does not need for sessions stays nil
	Box        Box
	Frozen     bool
	Init       int               // when set, what is observed without asking the monitor
	Host       map[string]string // settings

	// Looked is called after each Observe of Init.
	Looked func()

	// Lookup finds containers where there are more than the one, or other names.
	Lookup func(inventory.Ref) (*inventory.Container, error)

	sync.Mutex // guards what follows
	rows       map[inventory.SessionID]inventory.Session
	records    []inventory.Record
}

// Container is the world's one, whatever it is asked for, unless there is a Lookup.
func (w *World) Container(_ context.Context, ref inventory.Ref) (*inventory.Container, error) {
	if w.Lookup != nil {
		return w.Lookup(ref)
	}
	return &inventory.Container{ID: "0190a000-0000-7000-8000-00000000beef", Name: w.Box.Name, IDBase: IDBase}, nil
}

// Allowed lets everybody do everything.
func (w *World) Allowed(inventory.Principal, inventory.Right, *inventory.Container) bool { return true }

// Review allows everything.
func (w *World) Review(context.Context, *gate.Request, *inventory.Plan) gate.Decision {
	return gate.Decision{Verdict: gate.Allow}
}

// Layers are the host's settings, and none of a project.
func (w *World) Layers(context.Context, string) ([]inventory.Layer, error) {
	return []inventory.Layer{{Origin: "project"}, {Origin: "host", Values: w.Host}}, nil
}

// Revision never changes.
func (w *World) Revision() string { return "1" }

// Observe asks the monitor, or says what the test has set.
func (w *World) Observe(*inventory.Container) inventory.Observed {
	if w.Init != 0 {
		defer w.Looked()
		return inventory.Observed{State: inventory.StateRunning, InitPID: w.Init}
	}
	pid, _ := w.Box.Init()
	switch {
	case w.Frozen:
		return inventory.Observed{State: inventory.StateFrozen, InitPID: pid}
	case pid > 0:
		return inventory.Observed{State: inventory.StateRunning, InitPID: pid}
	}
	return inventory.Observed{State: inventory.StateStopped}
}

// Append keeps a record in memory.
func (w *World) Append(_ context.Context, r inventory.Record) (int64, error) {
	w.Lock()
	defer w.Unlock()
	w.records = append(w.records, r)
	return int64(len(w.records)), nil
}

// SaveSession keeps a row in memory.
func (w *World) SaveSession(_ context.Context, s inventory.Session) error {
	w.Lock()
	defer w.Unlock()
	if w.rows == nil {
		w.rows = map[inventory.SessionID]inventory.Session{}
	}
	w.rows[s.ID] = s
	return nil
}

// Sessions returns rows by id, and those that live.
func (w *World) Sessions(_ context.Context, q inventory.SessionQuery) (out []inventory.Session, err error) {
	w.Lock()
	defer w.Unlock()
	for _, s := range w.rows {
		if (q.ID == "" || q.ID == s.ID) && (!q.Live || s.EndedAt.IsZero()) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Start is the plainest starter there is.
func (w *World) Start(_ context.Context, _ string, argv []string, stdio ...*os.File) (int, error) {
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

// Service returns a session service with a gate in front of it, whose verbs are the service's.
func (w *World) Service() (*session.Service, *gate.Gate, error) {
	s, err := session.New(session.Config{Root: w.Box.Root, LXCPath: w.Box.LXCPath, Helper: w.Box.Helper, Starter: w,
		Journal: w, Store: w, Observer: w, Settings: w, Key: []byte("key of the test"), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Rootfs: func(*inventory.Container) string { return w.Box.Rootfs }})
	if err != nil {
		return nil, nil, err
	}
	g, err := gate.New(gate.Config{Host: "host", Store: w, Journal: w, Observer: w, Policy: w, Rights: w,
		Log: slog.New(slog.DiscardHandler), Now: time.Now}, s.Verbs()...)
	if err != nil {
		return nil, nil, err
	}
	s.Use(g)
	return s, g, nil
}

// KillHolders ends those that would wait for somebody to fetch their output.
func (w *World) KillHolders() {
	paths, _ := filepath.Glob(filepath.Join(w.Box.Root, "run/sessions/*.json"))
	for _, path := range paths {
		var f stream.Facts
		if raw, err := os.ReadFile(path); err == nil && json.Unmarshal(raw, &f) == nil && f.PID > 1 {
			syscall.Kill(f.PID, syscall.SIGKILL)
		}
	}
}

// Outcome waits for the record of how a session ended.
func (w *World) Outcome(t testing.TB, id inventory.SessionID) inventory.Record {
	t.Helper()
	for range 3000 {
		w.Lock()
		for _, r := range w.records {
			if r.Kind == inventory.RecordOutcome && r.Session == id {
				w.Unlock()
				return r
			}
		}
		w.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no outcome was recorded")
	return inventory.Record{}
}

// Caller is a context in which a person of that name calls.
func Caller(name string) context.Context {
	return inventory.WithPrincipal(context.Background(), inventory.Principal{Name: name, Kind: inventory.KindPerson})
}

// Records are what was written to the journal so far.
func (w *World) Records() []inventory.Record {
	w.Lock()
	defer w.Unlock()
	return slices.Clone(w.records)
}

// NewWorld is a world around a container of its own.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w := &World{Box: *NewBox(t)}
	t.Cleanup(w.KillHolders)
	return w
}
