// Package gate is the one way to change anything. Doors (command line, API, SSH, schedules) say who
// is calling; the gate says whether they may, keeps the audit journal, and turns each admitted
// request into a durable operation.
//
// It knows no container runtime, no network and no file system: capabilities hand it a table of
// verbs, and it runs their steps. A verb passes, in this order: visibility, right, parameters and
// quota, policies, state, audit intent (durable), admission (one transaction), steps, audit
// outcome. Reads stop after the right; sessions skip the revision and the operation.
//
// A step's number is durable before the step runs. After a crash the next agent calls Resume,
// which finishes or undoes what it finds with the same steps.
package gate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lodge/inventory"
)

// Config is what a gate is made of. All fields but Boundary are required.
type Config struct {
	Host     inventory.HostID
	Store    Store
	Journal  journal
	Observer observer
	Policy   Policy
	Changes  Changes
	Rights   Rights
	Log      *slog.Logger
	Now      func() time.Time
	// Boundary, when set, is called at every step boundary; a test kills the process there.
	Boundary func(verb, step, edge string)
}

// Store is everything the gate keeps durable.
type Store interface {
	ledger
	notes
	operations
	containers
	deadlines
}

// A Gate admits requests and runs operations. Safe for concurrent use.
type Gate struct {
	Config
	verbs map[string]Verb
	wake  chan struct{} // pokes the deadline loop

	closing chan struct{} // closed by Close

	mu      sync.Mutex // guards what follows; never held while calling out
	running map[inventory.OperationID]*flight
	closed  bool
	flights sync.WaitGroup
}

// New returns a gate with the given verb table. A verb that is incomplete or given twice is a
// mistake of the program: an error names it.
func New(cfg Config, verbs ...Verb) (*Gate, error) {
	if cfg.Boundary == nil {
		cfg.Boundary = func(verb, step, edge string) {}
	}
	g := &Gate{Config: cfg, verbs: map[string]Verb{}, wake: make(chan struct{}, 1),
		closing: make(chan struct{}), running: map[inventory.OperationID]*flight{}}
	for _, v := range verbs {
		if _, twice := g.verbs[v.Name]; twice {
			return nil, fmt.Errorf("verb %s is registered twice", v.Name)
		}
		if v.Name == "" || v.Right == "" || v.Mode == "" || v.Command == "" {
			return nil, fmt.Errorf("verb %q lacks a name, right, mode or command", v.Name)
		}
		if (v.Mode == ModeOperation) != (len(v.Steps) > 0) {
			return nil, fmt.Errorf("verb %s: an operation has steps, nothing else does", v.Name)
		}
		g.verbs[v.Name] = v
	}
	return g, nil
}

// verb finds the row of a request's verb.
func (g *Gate) verb(name string) (Verb, error) {
	v, ok := g.verbs[name]
	if !ok {
		return Verb{}, inventory.Errorf(inventory.ErrNotFound, "there is no verb %q", name)
	}
	return v, nil
}

// record writes one audit record about the request.
func (g *Gate) record(ctx context.Context, rec inventory.Record) error {
	rec.At = g.Now()
	if _, err := g.Journal.Append(context.WithoutCancel(ctx), rec); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable,
			"%s is refused: the audit journal can't be written: %v", rec.Verb, err)
	}
	return nil
}

// Fact records something seen rather than asked for, like a guest's own reboot, and what is decided
// about a change; a record that says what it is stays that.
func (g *Gate) Fact(ctx context.Context, rec inventory.Record) error {
	rec.Kind = cmp.Or(rec.Kind, inventory.RecordFact)
	return g.record(ctx, rec)
}
