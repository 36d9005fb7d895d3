package main

import (
	"context"
	"slices"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/inventory/store"
)

const (
	// An agent can have died between an operation's end and its audit outcome only a moment before
	// its own end. What is looked at is more, for clocks that jump and journals that were full.
	attestTime = time.Hour
	attestMost = 500
)

// attest gives the operations that have ended the audit outcomes an earlier agent owes them.
func (a *Agent) attest(ctx context.Context) error {
	ended, err := a.store.Operations(ctx, store.OperationQuery{State: store.Ended, Limit: attestMost})
	if err != nil {
		return err
	}
	since := a.now().Add(-attestTime)
	ended = slices.DeleteFunc(ended, func(op inventory.Operation) bool { return op.EndedAt.Before(since) })
	for _, op := range ended {
		if op.StartedAt.Before(since) {
			since = op.StartedAt
		}
	}
	told := map[inventory.OperationID]bool{}
	err = a.journal.Walk(ctx, audit.Query{From: since, Kind: inventory.RecordOutcome}, func(e audit.Entry) error {
		told[e.Record.Operation] = true
		return nil
	})
	for _, op := range slices.Backward(ended) { // the oldest first
		if err == nil && !told[op.ID] {
			a.log.Info("the audit outcome of an operation was missing", "operation", op.ID, "verb", op.Verb)
			err = a.gate.Attest(ctx, op)
		}
	}
	return err
}
