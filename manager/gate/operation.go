package gate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"lodge/inventory"
)

const (
	undoTimeout = 5 * time.Minute        // of each undo: it runs without the caller, who may be gone
	firstRetry  = 100 * time.Millisecond // the pauses between two tries to write an operation's end
	lastRetry   = time.Minute
	takeoff     = 5 * time.Millisecond // how often an operation is looked for between its row and its flight
)

// A flight is one operation's goroutine.
type flight struct {
	run    *Run
	verb   Verb
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the end is durable

	durable json.RawMessage // what the run has saved, as it is on disk; used by its goroutine only
}

// causeKey is the name of an operation's inventory.Cause in its data.
const causeKey = "gate.cause"

// fly starts the steps of an admitted operation.
func (g *Gate) fly(op inventory.Operation, v Verb, resumed bool) {
	ctx, cancel := context.WithCancelCause(inventory.WithPrincipal(context.Background(), op.Principal))
	f := &flight{verb: v, cancel: cancel, done: make(chan struct{})}
	f.run = &Run{Operation: op, Before: op.Before, After: op.After, Resumed: resumed, percent: op.Percent,
		Log: g.Log.With("operation", op.ID, "verb", op.Verb, "name", op.Name)}
	json.Unmarshal(op.Data, &f.run.data) // written by us; nothing in it is nothing saved
	f.run.result, f.durable = op.Result, f.run.saved()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed { // the row is there: the next agent takes it up
		cancel(nil)
		return
	}
	g.running[op.ID] = f
	g.flights.Go(func() {
		defer cancel(nil)
		g.work(ctx, f)
		g.mu.Lock()
		delete(g.running, op.ID)
		g.mu.Unlock()
		close(f.done)
	})
}

// work runs the flight to its end: forward, or back if a step fails, it is cancelled, or an
// earlier agent died in a verb that goes back.
func (g *Gate) work(ctx context.Context, f *flight) {
	op := f.run.Operation
	at, err := op.Step, error(nil)
	switch {
	case op.State == inventory.OperationUndoing:
		var c inventory.Cause
		f.run.Load(causeKey, &c)
		err = c.Err()
	case f.run.Resumed && f.verb.Recovery != RecoverFinish:
		err = inventory.Errorf(inventory.ErrUnavailable,
			"%s %s was interrupted in step %q when the agent stopped, and was undone; ask for it again", op.Verb, op.Name, stepName(f.verb, at))
		at = len(f.verb.Steps) - 1 // the number may be older than what a power cut ended; see saveStep
	default:
		at, err = g.forward(ctx, f, at)
	}
	undone := false
	if err != nil {
		undoErr := g.back(f, at, err)
		if undone = undoErr == nil; !undone {
			err = errors.Join(err, fmt.Errorf("and undoing it: %w", undoErr))
		}
	}
	g.end(f, err, undone)
}

// forward runs the steps from index on. On an error it returns the step it happened in. A verb that
// is finished rather than undone can be cancelled in its first step only: what is purged by half is
// worth nothing to anybody.
func (g *Gate) forward(ctx context.Context, f *flight, from int) (at int, err error) {
	op := f.run.Operation
	for i := from; i < len(f.verb.Steps); i++ {
		step := f.verb.Steps[i]
		if i > from { // the first one's number came with the admission, or from the earlier agent
			if err := g.saveStep(ctx, f, i); err != nil {
				return i - 1, cmp.Or(context.Cause(ctx), err)
			}
		}
		if i > 0 && f.verb.Recovery == RecoverFinish {
			ctx = context.WithoutCancel(ctx)
		}
		g.Boundary(op.Verb, step.Name, "before")
		if err := ctx.Err(); err != nil {
			return i, cmp.Or(context.Cause(ctx), err)
		}
		if err := attend(ctx, f.run, step.Do); err != nil {
			return i, cmp.Or(context.Cause(ctx), err)
		}
		g.Boundary(op.Verb, step.Name, "after")
	}
	return len(f.verb.Steps) - 1, nil
}

// saveStep writes down which step runs, before it does. A verb that is finished after a crash needs
// the number on disk: an earlier step run again could spoil what a later one did. One that is undone
// does not, since then all its steps are undone, but it needs what its steps saved. What is only
// noted is durable with the operation's end at the latest.
func (g *Gate) saveStep(ctx context.Context, f *flight, i int) error {
	saved := f.run.saved()
	if f.verb.Recovery != RecoverFinish && bytes.Equal(saved, f.durable) {
		return g.Store.NoteStep(ctx, f.run.Operation.ID, i)
	}
	f.durable = saved
	return g.Store.SaveStep(ctx, f.run.Operation.ID, inventory.OperationRunning, i, saved)
}

// back undoes step at and all before it, in reverse. Every undo runs even if one fails.
func (g *Gate) back(f *flight, at int, why error) error {
	op := f.run.Operation
	failed := f.run.Save(causeKey, inventory.CauseOf(why))
	for i := at; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(inventory.WithPrincipal(context.Background(), op.Principal), undoTimeout)
		err := g.Store.SaveStep(ctx, op.ID, inventory.OperationUndoing, i, f.run.saved())
		g.Boundary(op.Verb, f.verb.Steps[i].Name, "undo")
		if undo := f.verb.Steps[i].Undo; undo != nil {
			err = errors.Join(err, attend(ctx, f.run, undo))
		}
		cancel()
		if err != nil {
			f.run.Log.Error("undo", "step", f.verb.Steps[i].Name, "cause", why, "error", err)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// end makes the end durable: the audit outcome and the operation's final row, side by side since
// each costs a write to the disk. If we crash between the two, the next agent ends the operation
// again, and two outcomes tell of it; or it finds the row without an outcome: see Attest.
func (g *Gate) end(f *flight, err error, undone bool) {
	op, now := f.run.Operation, g.Now()
	var t tail
	f.run.Load(tailKey, &t)
	e := Ending{ID: op.ID, State: inventory.OperationDone, At: now, Result: f.run.result,
		Remove: t.Remove, Deadlines: t.Deadlines, Supersedes: t.Supersedes}
	if err != nil {
		e = Ending{ID: op.ID, State: inventory.OperationFailed, At: now, Restore: op.After != nil, Undone: undone}
		e.Error, e.Kind = g.explain(op, err)
		if errors.Is(err, inventory.ErrCancelled) {
			e.State = inventory.OperationCancelled
		}
	}
	op.State, op.Error = e.State, e.Error
	g.Boundary(op.Verb, "", "end")
	var written sync.WaitGroup
	written.Go(func() {
		g.insist(f, "the outcome", func() error { return g.Attest(context.Background(), op) })
	})
	g.insist(f, "the end", func() error { return g.Store.End(context.Background(), e) })
	written.Wait()
	if len(e.Deadlines) > 0 {
		g.poke()
	}
}

// Attest writes the audit outcome of an operation that has ended and has none, as its row tells it.
func (g *Gate) Attest(ctx context.Context, op inventory.Operation) error {
	return g.outcome(ctx, op, op.Outcome(), nil)
}

// insist writes until it works: as long as the end of an operation is not written its container is
// busy, and a disk that was full may have room again. When the agent stops, the next one ends it.
func (g *Gate) insist(f *flight, what string, write func() error) {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := write()
		if err == nil || errors.Is(err, inventory.ErrState) || errors.Is(err, inventory.ErrNotFound) {
			return // or it was written, and only the answer was lost
		}
		f.run.Log.Error(what+" of an operation can't be written; trying again", "error", err)
		select {
		case <-time.After(pause):
		case <-g.closing:
			return
		}
	}
}

// attend runs a step. One that panics has failed: the agent has other containers to look after, and
// the next one would only panic again.
func attend(ctx context.Context, r *Run, step func(context.Context, *Run) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return step(ctx, r)
}

// explain returns the text a person sees and the kind. What has no kind stays inside.
func (g *Gate) explain(op inventory.Operation, err error) (text, kind string) {
	if k, ok := inventory.Kind(err); ok {
		return err.Error(), k.Name
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) { // of whichever file system
		g.Log.Error("no room", "operation", op.ID, "verb", op.Verb, "name", op.Name, "error", err)
		k, _ := inventory.Kind(inventory.ErrQuota)
		return op.Verb + " " + op.Name + ": the disk is full; free some space and ask again", k.Name
	}
	if errors.Is(err, inventory.ErrCancelled) {
		return err.Error(), ""
	}
	g.Log.Error("internal error", "operation", op.ID, "verb", op.Verb, "name", op.Name, "error", err)
	return "internal error, operation " + string(op.ID), ""
}

func (g *Gate) flight(id inventory.OperationID) *flight {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running[id]
}

// Wait returns the operation when it has ended, or as it is when ctx ends or the agent stops.
func (g *Gate) Wait(ctx context.Context, id inventory.OperationID) (inventory.Operation, error) {
	for {
		f := g.flight(id)
		if f != nil {
			select {
			case <-f.done:
			case <-ctx.Done():
			}
		}
		op, err := g.Store.Operation(context.WithoutCancel(ctx), id)
		if f != nil || err != nil || op.State.IsEnded() {
			return op, err
		}
		select { // its row is there before its flight
		case <-ctx.Done():
			return op, nil
		case <-g.closing:
			return op, nil
		case <-time.After(takeoff):
		}
	}
}

// Live returns the progress of an operation that runs in this agent; ok is false for others.
func (g *Gate) Live(id inventory.OperationID) (percent int, text string, ok bool) {
	f := g.flight(id)
	if f == nil {
		return 0, "", false
	}
	f.run.mu.Lock()
	defer f.run.mu.Unlock()
	return f.run.percent, f.run.text, true
}

// Cancel asks a running operation to stop; what it did is undone. ErrState if it has ended.
func (g *Gate) Cancel(ctx context.Context, id inventory.OperationID) error {
	op, err := g.Store.Operation(ctx, id)
	if err != nil {
		return err
	}
	rec := g.about(inventory.RecordFact, op)
	rec.Verb, rec.Result = "operation.cancel", "asked to stop"
	if rec.Principal, err = g.mayActOn(ctx, rec, op.Verb, op.Principal, op.Before); err != nil {
		return err
	}
	if !op.State.IsEnded() {
		err = g.record(ctx, rec)
	}
	if err = cmp.Or(err, g.Store.AskCancel(ctx, id)); err != nil {
		return err
	}
	if f := g.flight(id); f != nil {
		f.cancel(inventory.ErrCancelled)
	}
	return nil
}

// mayActOn returns the caller if they may decide about something principal began: they began it, or
// have the verb's right themselves. rec tells of the decision, should it be refused.
func (g *Gate) mayActOn(ctx context.Context, rec inventory.Record, verb string, began inventory.Principal,
	c *inventory.Container) (p inventory.Principal, err error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if v, err := g.verb(verb); err != nil || ok && (p.SpeaksFor(began) || g.Rights.Allowed(p, v.Right, c)) {
		return p, err
	}
	rec.Principal = p
	return p, g.deny(ctx, rec, "only "+began.Name+" and those who may "+verb+" can")
}

// deny records that the caller may not decide; one that can't be recorded stays a refusal.
func (g *Gate) deny(ctx context.Context, rec inventory.Record, why string) error {
	err := inventory.Errorf(inventory.ErrDenied, "%s may not %s %s: %s", rec.Principal.Name, rec.Verb,
		cmp.Or(string(rec.Operation), string(rec.Change)), why)
	rec.Kind, rec.Result = inventory.RecordRefusal, err.Error()
	g.record(ctx, rec)
	return err
}

// Resume takes up what an earlier agent left: it finishes or undoes each operation with the verb's
// own steps. It returns when all have been taken up, not when they have ended.
func (g *Gate) Resume(ctx context.Context) error {
	left, err := g.Store.Unfinished(ctx, g.Host)
	if err != nil {
		return err
	}
	for _, op := range left {
		v, err := g.verb(op.Verb)
		if err != nil || len(v.Steps) == 0 {
			g.Log.Error("an unfinished operation of an unknown verb is left as failed", "operation", op.ID, "verb", op.Verb)
			err := g.Store.End(ctx, Ending{ID: op.ID, State: inventory.OperationFailed, At: g.Now(),
				Error: "this agent does not know the verb " + op.Verb})
			if err != nil {
				return err
			}
			continue
		}
		g.Log.Info("resuming", "operation", op.ID, "verb", op.Verb, "name", op.Name, "step", stepName(v, op.Step))
		g.fly(op, v, true)
	}
	return nil
}

// Close starts no further operation and waits for the running ones until ctx ends. What is not done
// then is taken up by the next agent.
func (g *Gate) Close(ctx context.Context) {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.closing)
	}
	g.mu.Unlock()
	done := make(chan struct{})
	go func() { g.flights.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func stepName(v Verb, i int) string {
	if i < 0 || i >= len(v.Steps) {
		return "the end"
	}
	return v.Steps[i].Name
}
