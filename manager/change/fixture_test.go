package change_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/change"
	"lodge/manager/gate"
)

// A bench is changes over a real gate and store, with a journal and a runtime in memory.
type bench struct {
	*testing.T
	store   *store.Store
	gate    *gate.Gate
	changes *change.Service
	host    inventory.HostID
	journal *memoryJournal
	world   *world

	mu    sync.Mutex
	edges int // boundaries passed
	dieAt int // the one at which the process dies; 0: none
	dead  chan struct{}
}

// world is what may move under a change.
type world struct {
	mu       sync.Mutex
	now      time.Time
	needs    []inventory.Condition
	deny     string
	revision string
	rights   map[string][]inventory.Right
	roles    map[string][]string
	keys     map[string][]inventory.SSHKey
	fail     bool // the operation's step
	settings map[string]string
}

func (w *world) clock() time.Time       { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
func (w *world) later(d time.Duration)  { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }
func (w *world) Revision() string       { w.mu.Lock(); defer w.mu.Unlock(); return w.revision }
func (w *world) change(do func(*world)) { w.mu.Lock(); defer w.mu.Unlock(); do(w) }
func (w *world) isFailing() bool        { w.mu.Lock(); defer w.mu.Unlock(); return w.fail }
func (w *world) Observe(*inventory.Container) inventory.Observed {
	return inventory.Observed{State: inventory.StateStopped}
}

// Review holds updates of containers of prod, and denies what it is told to.
func (w *world) Review(_ context.Context, r *gate.Request, _ *inventory.Plan) gate.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deny != "" {
		return gate.Decision{Verdict: gate.Deny, Reasons: []string{w.deny}}
	}
	if r.Container != nil && r.Container.Environment == "prod" && r.Principal.Kind != inventory.KindSystem && len(w.needs) > 0 {
		return gate.Decision{Verdict: gate.Hold, Needs: slices.Clone(w.needs)}
	}
	return gate.Decision{Verdict: gate.Allow}
}

func (w *world) Allowed(p inventory.Principal, right inventory.Right, _ *inventory.Container) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.Kind == inventory.KindSystem || right == inventory.RightEnter || slices.Contains(w.rights[p.Name], right)
}

func (w *world) HasRole(p inventory.Principal, role string, _ *inventory.Container) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.roles[p.Name], role)
}

func (w *world) SSHKeys(p inventory.Principal) []inventory.SSHKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[p.Name]
}

type memoryJournal struct {
	mu      sync.Mutex
	records []inventory.Record
}

func (j *memoryJournal) Append(_ context.Context, r inventory.Record) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	return int64(len(j.records)), nil
}

// of are the records that carry the change, as "kind verb by".
func (j *memoryJournal) of(id inventory.ChangeID) (out []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.records {
		if r.Change == id {
			out = append(out, fmt.Sprintf("%s %s %s", r.Kind, r.Verb, r.Principal.Name))
		}
	}
	return out
}

// settingsOf is a store whose host settings are the world's.
type settingsOf struct {
	*store.Store
	w *world
}

func (s settingsOf) HostSettings(context.Context) (map[string]string, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.settings, nil
}

var everything = []inventory.Right{inventory.RightView, inventory.RightCreate, inventory.RightManage, inventory.RightApprove, inventory.RightPolicy}

func person(name string) inventory.Principal {
	return inventory.Principal{Name: name, Kind: inventory.KindPerson, Proof: "test"}
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, journal: &memoryJournal{}, dead: make(chan struct{}), world: &world{
		now: time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC), revision: "1",
		needs: []inventory.Condition{{Approvals: 1, Role: "approver", Policy: "prod"}},
		rights: map[string][]inventory.Right{"dev1": everything, "ops1": everything, "ops2": everything, "boss": everything,
			"viewer": {inventory.RightView}},
		roles:    map[string][]string{"dev1": {"approver"}, "ops1": {"approver"}, "ops2": {"approver"}, "boss": {"owner"}},
		settings: map[string]string{}, keys: map[string][]inventory.SSHKey{}}}
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "db"), Log: slog.New(slog.DiscardHandler), Now: b.world.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b.store = s
	host, err := s.EnsureHost(t.Context(), "machine", "host")
	if err != nil {
		t.Fatal(err)
	}
	b.host = host.ID
	b.open()
	b.create("db1", "prod")
	return b
}

// open makes a gate and its changes over the same store, as the next agent does.
func (b *bench) open() {
	b.changes = change.New(change.Config{Store: settingsOf{b.store, b.world}, Rights: b.world, People: b.world,
		Log: slog.New(slog.DiscardHandler), Now: b.world.clock, Boundary: b.boundary})
	var err error
	b.gate, err = gate.New(gate.Config{Host: b.host, Store: b.store, Journal: b.journal, Observer: b.world, Policy: change.Guard{Policy: b.world, Changes: b.changes},
		Changes: b.changes, Rights: b.world, Log: slog.New(slog.DiscardHandler), Now: b.world.clock,
		Boundary: b.boundary}, append(b.verbs(), b.changes.Verbs()...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.changes.Use(b.gate)
}

// boundary never returns from the one at which the process dies: the test goes on as the next.
func (b *bench) boundary(_, _, _ string) {
	b.mu.Lock()
	b.edges++
	dies := b.dieAt > 0 && b.edges == b.dieAt
	b.mu.Unlock()
	if dies {
		close(b.dead)
		select {}
	}
}

func (b *bench) verbs() []gate.Verb {
	create := func(_ context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.CreateArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		c := &inventory.Container{ID: inventory.ContainerID(inventory.NewID(b.world.clock())), HostID: b.host, Name: args.Name,
			Project: inventory.DefaultProject, Environment: inventory.Environment(args.Environment), Owner: "o", Purpose: "p", IDBase: map[string]uint32{"prod": 1000000}[args.Environment] + 2000000,
			Intent: inventory.IntentStop, CreatedAt: b.world.clock(), UpdatedAt: b.world.clock()}
		return &gate.Draft{After: c, Args: args, Effects: inventory.Diff(nil, c, nil)}, nil
	}
	update := func(_ context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.UpdateArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		after := r.Container.Clone()
		after.Owner = *args.Owner
		return &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, nil)}, nil
	}
	work := []gate.Step{{Name: "work", Do: func(context.Context, *gate.Run) error {
		if b.world.isFailing() {
			return inventory.Errorf(inventory.ErrUnavailable, "work does not work")
		}
		return nil
	}}}
	return []gate.Verb{
		{Name: "container.create", Right: inventory.RightCreate, Mode: gate.ModeOperation, Command: "create", Prepare: create, Steps: work},
		{Name: "container.update", Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "set", Prepare: update, Steps: work},
	}
}

func (b *bench) as(name string) context.Context {
	return inventory.WithPrincipal(b.Context(), person(name))
}

func (b *bench) begin(who string, r gate.Request, args any) (gate.Answer, error) {
	b.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		b.Fatal(err)
	}
	r.Args = raw
	return b.gate.Begin(b.as(who), r)
}

func (b *bench) create(name, env string) {
	b.Helper()
	a, err := b.begin("dev1", gate.Request{Verb: "container.create"}, inventory.CreateArgs{Name: name, Environment: env})
	if err != nil {
		b.Fatal(err)
	}
	b.wait(a)
}

// give asks as dev1 to give db1 to somebody.
func (b *bench) give(to string, more ...func(*gate.Request)) (gate.Answer, error) {
	b.Helper()
	r := gate.Request{Verb: "container.update", Ref: inventory.ParseRef("db1"), Reason: "because"}
	for _, m := range more {
		m(&r)
	}
	return b.begin("dev1", r, inventory.UpdateArgs{Owner: &to})
}

// held asks for something that has to be held, and returns the change.
func (b *bench) held() inventory.Change {
	b.Helper()
	a, err := b.give("new")
	if err != nil || a.Change == nil {
		b.Fatalf("it was not held: %+v, %v", a, err)
	}
	return *a.Change
}

func (b *bench) approve(who string, c inventory.Change) (gate.Answer, error) {
	b.Helper()
	return b.changes.Approve(b.as(who), c.ID, inventory.ApproveArgs{Note: "fine"})
}

func (b *bench) wait(a gate.Answer) inventory.Operation {
	b.Helper()
	if a.Operation == nil {
		b.Fatalf("no operation: %+v", a.Change)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	op, err := b.gate.Wait(ctx, a.Operation.ID)
	if err != nil || !op.State.IsEnded() {
		b.Fatalf("%s has not ended: %s, %v", op.Verb, op.State, err)
	}
	return op
}

// settled waits until nothing runs any more.
func (b *bench) settled() {
	b.Helper()
	for range 2 { // what a release runs is begun by an operation
		all, err := b.store.Unfinished(b.Context(), b.host)
		if err != nil {
			b.Fatal(err)
		}
		for _, op := range all {
			b.wait(gate.Answer{Operation: &op})
		}
	}
}

func (b *bench) change(id inventory.ChangeID) inventory.Change {
	b.Helper()
	c, err := b.store.Change(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (b *bench) is(id inventory.ChangeID, want inventory.ChangeState) {
	b.Helper()
	if c := b.change(id); c.State != want {
		b.Errorf("change %s is %s (%s), not %s", c.Label(), c.State, c.Note, want)
	}
}

func (b *bench) owner() string {
	b.Helper()
	c, err := b.store.Container(b.Context(), inventory.ParseRef("db1"))
	if err != nil {
		b.Fatal(err)
	}
	return c.Owner
}
