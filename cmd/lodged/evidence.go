package main

import (
	"context"
	"io"
	"slices"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/evidence"
)

func (a *Agent) newEvidence() *evidence.Service {
	return evidence.New(witness{a.shown()}, files{a.store}, a.now, evidence.Chapters()...)
}

// witness shows the journal to what writes evidence.
type witness struct{ journal }

// everything is more records than a search ever returns.
const everything = 1 << 30

func (w witness) Records(ctx context.Context, q inventory.RecordQuery) ([]evidence.Record, error) {
	q.Limit = everything
	entries, err := w.Find(ctx, q)
	slices.Reverse(entries)
	out := make([]evidence.Record, len(entries))
	for i, e := range entries {
		out[i] = evidence.Record{Seq: e.Seq, Hash: e.Hash.String(), Record: e.Record}
	}
	return out, err
}

func (w witness) Signer() evidence.Signer {
	key := w.Key()
	return evidence.Signer{Origin: w.Origin(), PublicKey: key.PublicKey, Fingerprint: key.Fingerprint}
}

func (w witness) Write(out io.Writer, all []evidence.File, from, to time.Time) error {
	docs := make([]audit.Document, len(all))
	for i, f := range all {
		docs[i] = audit.Document(f)
	}
	return w.WriteEvidence(out, docs, from, to)
}

// files shows the store to it.
type files struct{ *store.Store }

func (f files) ChangesOf(ctx context.Context, id inventory.ContainerID) ([]inventory.Change, error) {
	return f.Store.Changes(ctx, store.ChangeQuery{Container: id})
}
