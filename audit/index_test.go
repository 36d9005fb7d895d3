package audit_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory/store"
)

func openIndex(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{Path: filepath.Join(t.TempDir(), "lodge.db"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestIndexFollowsTheJournal: what was acknowledged is found, an index of another journal is made
// anew, and so is one on demand.
func TestIndexFollowsTheJournal(t *testing.T) {
	s := openIndex(t)
	for _, segmentSize := range []int64{3000, 0} { // the second is another journal
		j := open(t, t.TempDir(), segmentSize)
		x := audit.NewIndexed(j, s)
		ended := make(chan struct{})
		go func() { x.KeepIndex(t.Context()); close(ended) }()
		for n := int64(1); n <= 30; n++ {
			fill(t, j, n, n)
			got, err := x.Find(t.Context(), audit.Query{Name: record(n).Name, Limit: 5})
			if err != nil || len(got) != 1 || got[0].Seq != n {
				t.Fatalf("record %d is found as %v, %v", n, got, err)
			}
		}
		x.Reindex()
		for deadline := time.Now().Add(20 * time.Second); ; {
			got, err := x.Find(t.Context(), audit.Query{Verb: "container.*", Limit: 100})
			if err == nil && len(got) == 20 && got[0].Seq > got[1].Seq {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after reindex: %d records, %v", len(got), err)
			}
		}
		j.Close()
		<-ended // two journals' would get in each other's way
	}
}

// TestIndexAgreesWithAForgery: a record is rewritten with its checksum right, and an index made from
// that. Searches show the forgery; the verifier does not ask the index.
func TestIndexAgreesWithAForgery(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 9)
	editFrames(t, segments(t, dir)[0], func(f []raw) []raw {
		i := eventFrame(f, 4)
		f[i].payload = replaceOnce(t, f[i].payload, `"name":"web4"`, `"name":"web0"`)
		return f
	})
	x := audit.NewIndexed(j, openIndex(t))
	go x.KeepIndex(t.Context())
	if got, err := x.Find(t.Context(), audit.Query{Name: "web0", Limit: 5}); err != nil || len(got) != 1 {
		t.Fatalf("the forgery is found as %v, %v", got, err)
	}
	r := verify(t, dir)
	if r.ExitCode() != 10 || r.Problems[0].Seq != 4 || r.Problems[0].Fault != audit.FaultRewritten {
		t.Errorf("Verify: %v", r.Problems)
	}
}
