package main

import (
	"context"
	"errors"
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

// tellUnknown gives intents that a crash left without anything to tell their end the outcome unknown:
// the agent died before their operation was admitted, so nothing was done that could be taken up. What
// the store has, it tells itself. The last two agents are looked at: an earlier one's were told of.
func (a *Agent) tellUnknown(ctx context.Context) error {
	starts, err := a.journal.Records(ctx, audit.Query{Verb: "agent.start", Newest: true, Limit: 2})
	since := int64(0)
	if len(starts) == 2 {
		since = starts[0].Seq
	}
	open := map[inventory.OperationID]inventory.Record{}
	if err != nil {
		return err
	}
	err = a.journal.Walk(ctx, audit.Query{AfterSeq: since}, func(e audit.Entry) error {
		switch r := e.Record; {
		case r.Operation == "":
		case r.Kind == inventory.RecordIntent:
			open[r.Operation] = r
		case r.Kind == inventory.RecordOutcome:
			delete(open, r.Operation)
		}
		return nil
	})
	for id, intent := range open {
		if err != nil {
			break
		}
		if _, known := a.store.Operation(ctx, id); !errors.Is(known, inventory.ErrNotFound) {
			continue
		}
		intent.ID, intent.At, intent.Kind = "", a.now(), inventory.RecordOutcome
		intent.Result, intent.Before, intent.After, intent.Detail = string(inventory.OutcomeUnknown), nil, nil, nil
		intent.Host, intent.Boot, intent.MonoNs, intent.Outcome = "", "", 0, ""
		_, err = a.journal.Append(ctx, intent)
	}
	return err
}

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
