package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
)

// The records of the index that is searched: what is frequent is very much so, what is rare is rare, and
// some that are frequent never or seldom meet.
const (
	indexedContainers = 5000
	indexedPeople     = 200
	indexedBatch      = 10_000
	indexedPage       = 51
)

var indexedStart = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// indexed is the nth record: three of ten are of the system, which does nothing but look after leases
// and health, and seldom stops something.
func indexed(n int64) inventory.PlacedRecord {
	dice := uint64(n/2) * 0x9e3779b97f4a7c15 // an intent and its outcome are alike
	c := dice >> 40 % indexedContainers
	if dice>>36%8 == 0 { // one that has much to do
		c = 0
	}
	r := inventory.Record{At: indexedStart.Add(time.Duration(n) * 3 * time.Second),
		Subject: fmt.Sprint("container:", c), Name: fmt.Sprint("web", c), Project: fmt.Sprint("p", c%20)}
	verbs := []string{"container.start", "container.stop", "container.exec", "container.file.read", "snapshot.create", "container.update"}
	r.Verb, r.Principal.Name = verbs[dice>>30%6], fmt.Sprint("u", dice>>20%indexedPeople)
	if r.Principal.Name == "u7" && r.Verb == "container.stop" { // who never stops anything
		r.Verb = "container.start"
	}
	if dice>>12%10 < 3 {
		r.Principal.Name, r.Verb = "system", []string{"lease.warn", "container.health"}[dice>>10%2]
		if n%200_000 < 2 {
			r.Verb = "container.stop"
		}
	}
	switch r.Kind = inventory.RecordIntent; {
	case n%1000 == 500:
		r.Kind, r.Outcome = inventory.RecordRefusal, inventory.OutcomeDenied
	case n%2 == 1:
		r.Kind, r.Outcome = inventory.RecordOutcome, inventory.OutcomeSuccess
		if n%101 == 0 {
			r.Outcome = inventory.OutcomeFailure
		}
	}
	if n%10_000 < 2 {
		r.Change = inventory.ChangeID(fmt.Sprint("change-", n/10_000))
	}
	return inventory.PlacedRecord{Seq: n, Segment: n/10_000*10_000 + 1, Offset: n % 10_000 * 700, Record: r}
}

// searches are by one filter, by several, and by those that meet never or seldom.
func searches(n int64) map[string]inventory.RecordQuery {
	at := func(n int64) time.Time { return indexedStart.Add(time.Duration(n) * 3 * time.Second) }
	return map[string]inventory.RecordQuery{
		"find-newest":      {},
		"find-actor":       {Principal: "u12"},
		"find-target":      {Target: "web4000"},
		"find-verb":        {Verb: "snapshot.*"},
		"find-time":        {From: at(n / 2), To: at(n/2 + 5000)},
		"find-outcome":     {Outcome: inventory.OutcomeDenied},
		"find-change":      {Change: inventory.ChangeID(fmt.Sprint("change-", n/20_000))},
		"find-several":     {Principal: "u12", Verb: "container.exec", Outcome: inventory.OutcomeFailure, Project: "p3"},
		"find-seldom":      {Principal: "system", Verb: "container.stop"},
		"find-never":       {Principal: "u7", Verb: "container.stop"},
		"find-busy":        {Target: "web0", Principal: "u12", Outcome: inventory.OutcomeFailure},
		"find-busy-never":  {Target: "web0", Principal: "u7", Verb: "container.stop"},
		"find-busy-seldom": {Target: "web0", Principal: "system", Verb: "container.stop"},
		"find-time-seldom": {From: at(n / 10), To: at(n / 2), Outcome: inventory.OutcomeFailure, Principal: "system"},
		"find-failures":    {Verb: "container.*", Outcome: inventory.OutcomeFailure, Principal: "u12"},
		"find-denied":      {Principal: "system", Outcome: inventory.OutcomeDenied, Verb: "container.health"},
	}
}

// index measures searches in an index of so many records of the journal.
func (b *bench) index(ctx context.Context) error {
	if b.indexed == 0 {
		return nil
	}
	path := filepath.Join(b.agent.home, "indexed.db")
	s, err := store.Open(ctx, store.Config{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	before := ownTime()
	for from := int64(1); from <= b.indexed; from += indexedBatch {
		var batch []inventory.PlacedRecord
		for n := from; n < from+indexedBatch && n <= b.indexed; n++ {
			batch = append(batch, indexed(n))
		}
		if err := s.IndexRecords(ctx, "lodge.audit/bench", batch); err != nil {
			return err
		}
	}
	took := ownTime() - before
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	b.results.notes = append(b.results.notes, fmt.Sprintf("%d records indexed in %s of CPU time; the index has %d MiB",
		b.indexed, took.Round(time.Second), info.Size()>>20))
	return b.search(ctx, s)
}

func (b *bench) search(ctx context.Context, s *store.Store) error {
	for figure, q := range searches(b.indexed) {
		q.Limit = indexedPage
		for round := range b.rounds + 1 {
			d, err := timed(func() error { _, err := s.FindRecords(ctx, q); return err })
			if err != nil {
				return err
			}
			b.results.add(figure, inAgent, round, d)
		}
	}
	return nil
}
