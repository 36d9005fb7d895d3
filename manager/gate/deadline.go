package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lodge/inventory"
)

const (
	// deadlinePoll bounds how late a deadline is noticed after the wall clock jumped: the loop
	// asks the store by wall time at least this often.
	deadlinePoll = 30 * time.Second
	// missedAfter is how late a deadline may be and still count as on time.
	missedAfter = 5 * time.Minute
	// deadlineRetry is the pause before a deadline that found its container busy is tried again.
	deadlineRetry = 10 * time.Second
)

// AddDeadline keeps something for later.
func (g *Gate) AddDeadline(ctx context.Context, d inventory.Deadline) error {
	if d.ID == "" {
		d.ID = inventory.DeadlineID(inventory.NewID(g.Now()))
	}
	if err := g.Store.AddDeadline(ctx, d); err != nil {
		return err
	}
	g.poke()
	return nil
}

func (g *Gate) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// RunDeadlines lets everything that is due pass the gate, until ctx ends.
func (g *Gate) RunDeadlines(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-g.wake:
		}
		timer.Reset(g.RunDue(ctx))
	}
}

// RunDue runs what is due now and returns how long until it has to be called again. A deadline
// runs under an idempotency key made of its id, so neither a crash between the run and its outcome
// nor a clock set back runs it twice.
func (g *Gate) RunDue(ctx context.Context) time.Duration {
	due, next, err := g.Store.Due(ctx, g.Now())
	if err != nil {
		g.Log.Error("deadlines can't be read", "error", err)
		return deadlinePoll
	}
	pause := deadlinePoll
	for _, d := range due {
		outcome, again := g.runDeadline(ctx, d)
		if again {
			pause = min(pause, deadlineRetry)
			continue
		}
		err := g.Store.EndDeadline(ctx, d.ID, g.Now(), outcome)
		if err != nil && !errors.Is(err, inventory.ErrStale) {
			g.Log.Error("a deadline's outcome can't be written", "deadline", d.ID, "error", err)
		}
	}
	if !next.IsZero() {
		pause = min(pause, max(next.Sub(g.Now()), time.Millisecond))
	}
	return pause
}

func (g *Gate) runDeadline(ctx context.Context, d inventory.Deadline) (outcome string, again bool) {
	if late := g.Now().Sub(d.Due); late > missedAfter && d.Missed == inventory.MissedSkip {
		return fmt.Sprintf("skipped: it was due %s ago while no agent ran", late.Round(time.Second)), false
	}
	p := d.Principal
	p.Proof = "deadline " + string(d.ID)
	answer, err := g.Begin(inventory.WithPrincipal(ctx, p), Request{Verb: d.Verb,
		Ref: inventory.Ref{Name: string(d.Container)}, Args: d.Args, Reason: d.Reason, Key: "deadline:" + string(d.ID)})
	switch {
	case errors.Is(err, inventory.ErrBusy), errors.Is(err, inventory.ErrUnavailable), errors.Is(err, inventory.ErrStale):
		return "", true // stale: somebody was admitted between our look and our admission
	case err != nil:
		return "failed: " + err.Error(), false
	case answer.Change != nil:
		return "waits for approval: change " + string(answer.Change.ID), false
	}
	return inventory.DeadlineBegan + string(answer.Operation.ID), false
}
