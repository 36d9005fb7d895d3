package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"lodge/inventory"
)

var auditStart = time.Date(2026, 5, 3, 14, 0, 0, 0, time.UTC)

// placed is a record as the journal would name it: every verb, principal and container comes again.
func placed(seq int64) inventory.PlacedRecord {
	r := inventory.Record{At: auditStart.Add(time.Duration(seq) * time.Second), Kind: inventory.RecordIntent,
		Verb:      []string{"container.start", "container.stop", "snapshot.create"}[seq%3],
		Principal: inventory.Principal{Name: []string{"alice", "bob"}[seq%2]},
		Subject:   fmt.Sprintf("container:%d", seq%500), Name: fmt.Sprintf("web%d", seq%500), Project: "default"}
	switch seq % 10 {
	case 4:
		r.Kind, r.Outcome = inventory.RecordOutcome, inventory.OutcomeSuccess
	case 5:
		r.Kind, r.Outcome, r.Change = inventory.RecordRefusal, inventory.OutcomeDenied, "change-5"
	}
	return inventory.PlacedRecord{Seq: seq, Segment: 1, Offset: seq * 100, Record: r}
}

func placedUpTo(from, to int64) (out []inventory.PlacedRecord) {
	for seq := from; seq <= to; seq++ {
		out = append(out, placed(seq))
	}
	return out
}

// TestFindRecords: the index selects what inventory.RecordQuery says, the newest first.
func TestFindRecords(t *testing.T) {
	s, ctx := open(t), context.Background()
	const origin = "lodge.audit/x"
	for from := int64(1); from <= 3000; from += 700 {
		if err := s.IndexRecords(ctx, origin, placedUpTo(from, min(from+699, 3000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.IndexRecords(ctx, origin, placedUpTo(3000, 3001)); !errors.Is(err, inventory.ErrStale) {
		t.Errorf("a record indexed twice: %v", err)
	}
	at := func(seq int64) time.Time { return auditStart.Add(time.Duration(seq) * time.Second) }
	for name, q := range map[string]inventory.RecordQuery{
		"all":                      {},
		"verb":                     {Verb: "container.stop"},
		"verbs that begin alike":   {Verb: "container.*", Principal: "bob"},
		"no such verb":             {Verb: "container.eat"},
		"principal and name":       {Principal: "alice", Name: "web12"},
		"target by name":           {Target: "web7"},
		"target by subject":        {Target: "container:7", Kind: inventory.RecordIntent},
		"a principal is no target": {Target: "alice"},
		"outcome":                  {Outcome: inventory.OutcomeDenied, Change: "change-5"},
		"time":                     {From: at(1100), To: at(1200)},
		"time and verb":            {From: at(999), To: at(1001), Verb: "snapshot.create"},
		"before the beginning":     {To: at(-5)},
		"page":                     {BeforeSeq: 1500, Project: "default"},
		"after":                    {AfterSeq: 2990},
	} {
		q.Limit = 20
		var want []int64
		for seq := int64(3000); seq > 0 && len(want) < q.Limit; seq-- {
			if p := placed(seq); q.Matches(seq, &p.Record) {
				want = append(want, seq)
			}
		}
		got, err := s.FindRecords(ctx, q)
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: %d records, %v; want %v", name, len(got), err, want)
			continue
		}
		for i, p := range got {
			if p.Seq != want[i] || p.Offset != want[i]*100 {
				t.Errorf("%s: got %v, want %v", name, got, want)
				break
			}
		}
	}
	if err := s.ClearRecords(ctx); err != nil {
		t.Fatal(err)
	}
	if o, seq, err := s.RecordCursor(ctx); o != "" || seq != 0 || err != nil {
		t.Errorf("cursor after clearing: %q, %d, %v", o, seq, err)
	}
}

// BenchmarkFindRecords looks for pages of 50 in an index of LODGE_AUDIT_RECORDS records, 200 000
// without. The aim is 200 ms a page with ten million.
func BenchmarkFindRecords(b *testing.B) {
	s, ctx := open(b), context.Background()
	n, err := strconv.ParseInt(os.Getenv("LODGE_AUDIT_RECORDS"), 10, 64)
	if err != nil {
		n = 200_000
	}
	began := time.Now()
	for from := int64(1); from <= n; from += 10_000 {
		if err := s.IndexRecords(ctx, "lodge.audit/x", placedUpTo(from, min(from+9_999, n))); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d records indexed in %s", n, time.Since(began).Round(time.Millisecond))
	at := func(seq int64) time.Time { return auditStart.Add(time.Duration(seq) * time.Second) }
	for name, q := range map[string]inventory.RecordQuery{
		"newest":                 {},
		"verb":                   {Verb: "container.stop"},
		"verbs that begin alike": {Verb: "container.*", Principal: "bob"},
		"actor and target":       {Principal: "alice", Target: "web12"},
		"two that never meet":    {Kind: inventory.RecordOutcome, Outcome: inventory.OutcomeDenied},
		"time":                   {From: at(n / 2), To: at(n/2 + 1000)},
		"time, verb, actor":      {From: at(n / 3), To: at(n / 2), Verb: "snapshot.create", Principal: "bob"},
		"outcome":                {Outcome: inventory.OutcomeSuccess, BeforeSeq: n / 2},
		"change":                 {Change: "change-5", Name: "web15"},
	} {
		q.Limit = 50
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.FindRecords(ctx, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
