package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// A bench is a gate over a real store, with a journal and runtime in memory.
type bench struct {
	*testing.T
	store   *store.Store
	gate    *gate.Gate
	host    inventory.HostID
	journal *memoryJournal
	clock   *clock
	policy  *rules

	mu    sync.Mutex
	steps []string // what ran, in order
	fail  string   // the step that fails
	block chan struct{}
	stuck string // a boundary at which the goroutine never returns: the process "died" there
	died  bool   // it has
}

type memoryJournal struct {
	mu       sync.Mutex
	records  []inventory.Record
	broken   bool
	appended func(inventory.Record)
}

func (j *memoryJournal) Append(_ context.Context, r inventory.Record) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken {
		return 0, errors.New("no space left on device")
	}
	j.records = append(j.records, r)
	if j.appended != nil {
		j.appended(r)
	}
	return int64(len(j.records)), nil
}

func (j *memoryJournal) story() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, r := range j.records {
		out = append(out, string(r.Kind)+" "+r.Verb)
	}
	return out
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rules holds the verbs it names and denies others; both may change while the test runs.
type rules struct {
	mu         sync.Mutex
	hold, deny string
	revision   string
}

func (p *rules) Review(_ context.Context, r *gate.Request, _ *inventory.Plan) gate.Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Verb {
	case p.deny:
		return gate.Decision{Verdict: gate.Deny, Reasons: []string{"the rules say so"}}
	case p.hold:
		return gate.Decision{Verdict: gate.Hold, Needs: []inventory.Condition{{Approvals: 1}}}
	}
	return gate.Decision{Verdict: gate.Allow}
}

func (p *rules) Revision() string { p.mu.Lock(); defer p.mu.Unlock(); return p.revision }

// keeper keeps whatever is held; manager/change tests what becomes of it.
type keeper struct{}

func (keeper) Hold(_ context.Context, h gate.Held) (inventory.Change, bool, error) {
	return inventory.Change{ID: "c1", State: inventory.ChangeSubmitted, Plan: *h.Plan, Needs: h.Needs}, false, nil
}

type admins struct{}

func (admins) Allowed(p inventory.Principal, right inventory.Right, _ *inventory.Container) bool {
	return p.Admin || p.Name == "viewer" && right == inventory.RightView
}

type stopped struct{}

func (stopped) Observe(*inventory.Container) inventory.Observed {
	return inventory.Observed{State: inventory.StateStopped}
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, journal: &memoryJournal{}, clock: &clock{t: time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)},
		policy: &rules{revision: "1"}}
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "db"), Log: slog.New(slog.DiscardHandler), Now: b.clock.now})
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
	b.gate = b.open()
	return b
}

// open makes a gate over the same store, as the next agent would.
func (b *bench) open() *gate.Gate {
	g, err := gate.New(gate.Config{Host: b.host, Store: b.store, Journal: b.journal, Observer: stopped{}, Policy: b.policy, Changes: keeper{},
		Rights: admins{}, Log: slog.New(slog.DiscardHandler), Now: b.clock.now, Boundary: b.boundary}, b.verbs()...)
	if err != nil {
		b.Fatal(err)
	}
	return g
}

func (b *bench) boundary(verb, step, edge string) {
	b.mu.Lock()
	dead := b.stuck != "" && b.stuck == verb+"/"+step+"/"+edge
	b.mu.Unlock()
	if dead {
		b.mu.Lock()
		b.died = true
		b.mu.Unlock()
		select {} // the rest of the test goes on as the next process
	}
}

func (b *bench) step(name string) gate.Step {
	note := func(what string) { b.mu.Lock(); b.steps = append(b.steps, what); b.mu.Unlock() }
	return gate.Step{Name: name,
		Do: func(ctx context.Context, r *gate.Run) error {
			note(name)
			if b.block != nil {
				select {
				case <-b.block:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if b.fail == name {
				return inventory.Errorf(inventory.ErrUnavailable, "%s does not work", name)
			}
			return r.Save(name, true)
		},
		Undo: func(ctx context.Context, r *gate.Run) error { note("undo " + name); return nil }}
}

func (b *bench) verbs() []gate.Verb {
	create := func(_ context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.CreateArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		id := inventory.NewID(b.clock.now())
		if args.Labels["id"] != "" {
			id = args.Labels["id"]
		}
		args.Labels = map[string]string{"id": id}
		c := &inventory.Container{ID: inventory.ContainerID(id), HostID: b.host, Name: args.Name, Project: inventory.DefaultProject,
			Owner: "o", Purpose: "p", Intent: inventory.IntentStop, IDBase: uint32(1000000 + 65536*len(b.journal.story())), CreatedAt: b.clock.now(), UpdatedAt: b.clock.now()}
		return &gate.Draft{After: c, Args: args, Effects: inventory.Diff(nil, c, nil)}, nil
	}
	update := func(_ context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.UpdateArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		after := r.Container.Clone()
		if args.Owner != nil {
			after.Owner = *args.Owner
		}
		return &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, nil)}, nil
	}
	three := []gate.Step{b.step("one"), b.step("two"), b.step("three")}
	return []gate.Verb{
		{Name: "container.create", Right: inventory.RightCreate, Mode: gate.ModeOperation, Command: "create", Prepare: create, Steps: three},
		{Name: "container.update", Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "set", Prepare: update, Steps: three},
		{Name: "container.finish", Right: inventory.RightManage, Mode: gate.ModeOperation, Command: "finish", Prepare: update, Steps: three, Recovery: gate.RecoverFinish},
		{Name: "container.thaw", Right: inventory.RightOperate, Mode: gate.ModeOperation, Command: "thaw", From: []inventory.State{inventory.StateFrozen}, Steps: three},
		{Name: "container.purge", Right: inventory.RightPurge, Mode: gate.ModeOperation, Command: "purge", Steps: three, Recovery: gate.RecoverFinish,
			Prepare: func(_ context.Context, r *gate.Request) (*gate.Draft, error) {
				if r.Container.Name == "kept" {
					return nil, inventory.Errorf(inventory.ErrState, "it is kept")
				}
				return &gate.Draft{Remove: true}, nil
			}},
		{Name: "container.exec", Right: inventory.RightSession, Mode: gate.ModeSession, Command: "exec"},
		{Name: "container.view", Right: inventory.RightView, Mode: gate.ModeRead, Command: "show"},
		{Name: "change.approve", Right: inventory.RightApprove, Mode: gate.ModeDecision, Command: "change approve"},
	}
}

var (
	root   = inventory.Principal{Name: "root", Kind: inventory.KindPerson, Admin: true, Proof: "test"}
	second = inventory.Principal{Name: "second", Kind: inventory.KindPerson, Admin: true, Proof: "test"}
	viewer = inventory.Principal{Name: "viewer", Kind: inventory.KindPerson, Proof: "test"}
	nobody = inventory.Principal{Name: "nobody", Kind: inventory.KindPerson, Proof: "test"}
)

func (b *bench) as(p inventory.Principal) context.Context {
	return inventory.WithPrincipal(b.Context(), p)
}

func (b *bench) begin(p inventory.Principal, verb, name string, args any) (gate.Answer, error) {
	b.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		b.Fatal(err)
	}
	r := gate.Request{Verb: verb, Args: raw}
	if verb != "container.create" {
		r.Ref = inventory.ParseRef(name)
	}
	return b.gate.Begin(b.as(p), r)
}

func (b *bench) do(verb, name string, args any) inventory.Operation {
	b.Helper()
	answer, err := b.begin(root, verb, name, args)
	if err != nil {
		b.Fatalf("%s: %v", verb, err)
	}
	return b.wait(answer)
}

func (b *bench) wait(answer gate.Answer) inventory.Operation {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	op, err := b.gate.Wait(ctx, answer.Operation.ID)
	if err != nil {
		b.Fatal(err)
	}
	if !op.State.IsEnded() {
		b.Fatalf("%s has not ended: %s", op.Verb, op.State)
	}
	return op
}

func (b *bench) create(name string) {
	b.Helper()
	b.do("container.create", name, inventory.CreateArgs{Name: name})
}

func (b *bench) owner(name string) string {
	b.Helper()
	c, err := b.store.Container(b.Context(), inventory.ParseRef(name))
	if err != nil {
		b.Fatal(err)
	}
	return c.Owner
}

func ownedBy(name string) inventory.UpdateArgs { return inventory.UpdateArgs{Owner: &name} }
