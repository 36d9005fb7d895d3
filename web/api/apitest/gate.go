package apitest

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A flight is an operation that may still run.
type flight struct {
	op     inventory.Operation
	cancel context.CancelFunc
	done   chan struct{}
}

// Begin does what the gate does, in outline: revision, plan, hold, idempotency, operation.
func (w *World) Begin(ctx context.Context, r gate.Request) (gate.Answer, error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok {
		return gate.Answer{}, inventory.Errorf(inventory.ErrDenied, "nobody said who is calling")
	}
	r.Principal = p
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Key != "" {
		for _, f := range w.operations {
			if f.op.Key == r.Key && f.op.Verb == r.Verb {
				op := f.op
				return gate.Answer{Operation: &op}, nil
			}
		}
	}
	if r.Ref.Name != "" {
		c, err := w.find(r.Ref)
		if err != nil {
			return gate.Answer{}, err
		}
		if r.Revision != 0 && r.Revision != c.Revision {
			return gate.Answer{}, inventory.Errorf(inventory.ErrStale,
				"%s changed meanwhile: you saw revision %d, it is at %d", c.Name, r.Revision, c.Revision)
		}
		r.Container = c
	}
	change, err := w.prepare(&r)
	if err != nil {
		return gate.Answer{}, err
	}
	plan := inventory.Plan{Verb: r.Verb, Args: r.Args, Nonce: "n", Steps: []string{"work"},
		Verdict: string(gate.Allow)}
	switch {
	case r.PlanOnly:
		return gate.Answer{Plan: &plan}, nil
	case w.Held[r.Verb] && len(r.Approvals) == 0:
		return gate.Answer{Change: w.hold(r, plan)}, nil
	}
	op := w.launch(r, change)
	return gate.Answer{Operation: &op}, nil
}

func (w *World) hold(r gate.Request, plan inventory.Plan) *inventory.Change {
	c := inventory.Change{ID: inventory.ChangeID(inventory.NewID(time.Now())),
		Number: int64(len(w.changes) + 1), Class: inventory.ClassNormal, Name: r.Ref.Name,
		State: inventory.ChangeSubmitted, Plan: plan,
		Requester: r.Principal, Reason: r.Reason, Ticket: r.Ticket, Needs: []inventory.Condition{{Approvals: 1}}, CreatedAt: start}
	c.Missing = c.Needs
	w.changes = append(w.changes, c)
	w.requests[c.ID] = r
	return &c
}

// launch makes the operation and runs it: change is applied when it ends well; w.mu is held.
func (w *World) launch(r gate.Request, change func()) inventory.Operation {
	ctx, cancel := context.WithCancel(context.Background())
	op := inventory.Operation{ID: inventory.OperationID(inventory.NewID(time.Now())), Verb: r.Verb,
		Principal: r.Principal,
		Reason:    r.Reason, Ticket: r.Ticket, Key: r.Key, Args: r.Args, State: inventory.OperationRunning,
		Steps: []string{"work"}, Percent: -1, Before: r.Container, StartedAt: start, UpdatedAt: start}
	if c := r.Container; c != nil {
		op.Container, op.Name, op.Project, op.Subject = c.ID, c.Name, c.Project, "container:"+string(c.ID)
	}
	if r.Container == nil {
		var named struct{ Name string }
		json.Unmarshal(r.Args, &named) // of a project, say
		op.Name = named.Name
	}
	f := &flight{op: op, cancel: cancel, done: make(chan struct{})}
	w.operations = append(w.operations, f)
	w.record(inventory.Record{Kind: inventory.RecordIntent, Verb: r.Verb, Principal: r.Principal,
		Name: op.Name, Project: op.Project,
		Operation: op.ID, Reason: r.Reason, Ticket: r.Ticket})
	w.emit(inventory.Event{Type: "operation.started", Container: op.Container, Name: op.Name,
		Project: op.Project, Operation: op.ID})
	go w.run(ctx, f, change)
	return op
}

func (w *World) run(ctx context.Context, f *flight, change func()) {
	defer close(f.done)
	if w.Slow != nil {
		select {
		case <-w.Slow:
		case <-ctx.Done():
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f.op.State, f.op.EndedAt, f.op.Percent = inventory.OperationDone, start, 100
	if ctx.Err() != nil {
		f.op.State, f.op.Error = inventory.OperationCancelled, "cancelled"
	} else {
		change()
	}
	w.emit(inventory.Event{Type: "operation.ended", Container: f.op.Container, Name: f.op.Name,
		Project: f.op.Project, Operation: f.op.ID})
}

// Wait returns the operation when it has ended, or as it is when ctx ends.
func (w *World) Wait(ctx context.Context, id inventory.OperationID) (inventory.Operation, error) {
	if f := w.flight(id); f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
	return w.Operation(context.WithoutCancel(ctx), id)
}

// Live says that whatever runs is half done.
func (w *World) Live(id inventory.OperationID) (int, string, bool) {
	f := w.flight(id)
	if f == nil {
		return 0, "", false
	}
	return 50, "half of it", true
}

// Cancel stops an operation.
func (w *World) Cancel(ctx context.Context, id inventory.OperationID) error {
	f := w.flight(id)
	if f == nil {
		return inventory.Errorf(inventory.ErrNotFound, "there is no operation %s", id)
	}
	select {
	case <-f.done:
		return inventory.Errorf(inventory.ErrState, "operation %s has ended", id)
	default:
	}
	f.cancel()
	<-f.done
	return nil
}

func (w *World) flight(id inventory.OperationID) *flight {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.operations, func(f *flight) bool { return f.op.ID == id })
	if i < 0 {
		return nil
	}
	return w.operations[i]
}

// Enter lets every caller in who is known.
func (w *World) Enter(ctx context.Context, r gate.Request) (*gate.Entry, error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok {
		return nil, inventory.Errorf(inventory.ErrDenied, "nobody said who is calling")
	}
	e := &gate.Entry{Verb: r.Verb, Principal: p}
	if r.Ref.Name == "" {
		return e, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.find(r.Ref)
	if err != nil {
		return nil, err
	}
	e.Container = c.Clone()
	return e, nil
}

// Approve releases a change at once.
func (w *World) Approve(ctx context.Context, id inventory.ChangeID, args inventory.ApproveArgs) (gate.Answer, error) {
	c, err := w.decide(id, inventory.ChangeDone, args.Note)
	if err != nil {
		return gate.Answer{}, err
	}
	w.mu.Lock()
	r := w.requests[id]
	w.mu.Unlock()
	r.Approvals = []inventory.Approval{{Digest: c.Plan.Digest}}
	return w.Begin(ctx, r)
}

// Message asks for no signature.
func (w *World) Message(context.Context, inventory.ChangeID) (inventory.ApprovalRequest, error) {
	return inventory.ApprovalRequest{Keys: []string{}}, nil
}

// Replan finds nothing moved.
func (w *World) Replan(_ context.Context, c inventory.Change) (*inventory.Plan, error) {
	return &c.Plan, nil
}

// Decide ends a change.
func (w *World) Decide(_ context.Context, verb string, id inventory.ChangeID, note string) (inventory.Change, error) {
	to := map[string]inventory.ChangeState{"change.reject": inventory.ChangeRejected,
		"change.cancel": inventory.ChangeCancelled, "change.withdraw": inventory.ChangeSubmitted}[verb]
	return w.decide(id, to, note)
}

// Sees lets everybody see every change.
func (w *World) Sees(context.Context, inventory.Change) bool { return true }

func (w *World) decide(id inventory.ChangeID, to inventory.ChangeState,
	note string) (inventory.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.changes {
		if c := &w.changes[i]; c.ID == id || c.Label() == string(id) {
			if c.State != inventory.ChangeSubmitted {
				return *c, inventory.Errorf(inventory.ErrState, "change %s is %s; there is nothing to decide", c.Label(), c.State)
			}
			c.State, c.Note, c.DecidedAt = to, note, start
			return *c, nil
		}
	}
	return inventory.Change{}, inventory.Errorf(inventory.ErrNotFound, "there is no change %s", id)
}

// decode reads a verb's parameters.
func decode[A any](r *gate.Request) (A, error) {
	var args A
	err := r.Decode(&args)
	return args, err
}

func encode(v any) json.RawMessage {
	raw, _ := json.Marshal(v) // values of this package only
	return raw
}
