package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/wire"
)

// errEnough ends a walk over the journal.
var errEnough = errors.New("enough")

// journal shows the audit journal to the API door.
type journal struct {
	*audit.Journal
	dir string
}

// Records returns the newest first, at most q.Limit of those numbered below q.Before.
func (j journal) Records(ctx context.Context, q api.RecordQuery) ([]wire.AuditRecord, error) {
	aq := audit.Query{From: q.Since, To: q.Until, Kind: q.Kind, Verb: q.Verb,
		Principal: q.Principal, Name: q.Name, Project: q.Project}
	if q.Before == 0 {
		aq.Limit, aq.Newest = q.Limit, true
		entries, err := j.Journal.Records(ctx, aq)
		return newestFirst(entries), err
	}
	var kept []audit.Entry
	err := j.Walk(ctx, aq, func(e audit.Entry) error {
		if e.Seq >= q.Before {
			return errEnough
		}
		if kept = append(kept, e); q.Limit > 0 && len(kept) > q.Limit {
			kept = kept[1:]
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return newestFirst(kept), nil
}

// newestFirst writes entries in the order of a list.
func newestFirst(entries []audit.Entry) []wire.AuditRecord {
	out := make([]wire.AuditRecord, 0, len(entries))
	for i := len(entries) - 1; i >= 0; i-- {
		out = append(out, toWire(entries[i]))
	}
	return out
}

func toWire(e audit.Entry) wire.AuditRecord {
	return wire.AuditRecord{Seq: e.Seq, Hash: e.Hash.String(), Record: e.Record}
}

// RecordsAfter returns at most limit records numbered above after, oldest first, and waits for one.
func (j journal) RecordsAfter(ctx context.Context, after int64, limit int) ([]wire.AuditRecord, error) {
	for {
		entries, err := j.Journal.Records(ctx, audit.Query{AfterSeq: after, Limit: limit})
		if err != nil || len(entries) > 0 {
			out := make([]wire.AuditRecord, len(entries))
			for i, e := range entries {
				out[i] = toWire(e)
			}
			return out, err
		}
		if err := j.await(ctx, after); err != nil {
			return nil, err
		}
	}
}

func (j journal) await(ctx context.Context, after int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case _, ok := <-j.Follow(ctx, after):
		if !ok && ctx.Err() == nil {
			return inventory.Errorf(inventory.ErrUnavailable, "the audit journal can't be followed now")
		}
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Verify checks all of the journal as it lies on the disk.
func (j journal) Verify(ctx context.Context) (wire.AuditReport, error) {
	r, err := audit.Verify(j.dir, audit.VerifyOptions{})
	if err != nil {
		return wire.AuditReport{}, err
	}
	w := wire.AuditReport{Verdict: string(r.Verdict), Entries: r.Records, Detail: []string{}}
	for _, p := range r.Problems {
		w.Detail = append(w.Detail, p.String())
	}
	return w, nil
}

// Key is the public key the journal is verified with.
func (j journal) Key() wire.AuditKey {
	pub := j.PublicKey()
	return wire.AuditKey{PublicKey: audit.PublicKeyText(pub), Fingerprint: audit.Fingerprint(pub)}
}

// openJournal opens the journal of a root with its own key.
func openJournal(cfg Config, now func() time.Time) (*audit.Journal, error) {
	key, err := audit.LoadOrCreateKey(filepath.Join(cfg.Root, "keys", "audit.key"))
	if err != nil {
		return nil, err
	}
	return audit.Open(filepath.Join(cfg.Root, "audit"), audit.Options{Key: key, Now: now})
}
