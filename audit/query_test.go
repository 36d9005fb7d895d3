package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

func TestRecordsQuery(t *testing.T) {
	j := open(t, t.TempDir(), 3000) // a few records per segment
	fill(t, j, 1, 30)
	at := func(n int64) time.Time { return start.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		q    audit.Query
		want []int64
	}{
		"from is included, to is not": {audit.Query{From: at(7), To: at(10)}, []int64{7, 8, 9}},
		"verb":                        {audit.Query{Verb: "container.stop", To: at(8)}, []int64{1, 4, 7}},
		"verbs of a kind":             {audit.Query{Verb: "container.*", To: at(5)}, []int64{1, 3, 4}},
		"principal":                   {audit.Query{Principal: "alice", AfterSeq: 25}, []int64{26, 28, 30}},
		"name":                        {audit.Query{Name: "web12"}, []int64{12}},
		"a principal's name is none":  {audit.Query{Name: "alice"}, nil},
		"subject":                     {audit.Query{Subject: "container:9"}, []int64{9}},
		"kind":                        {audit.Query{Kind: inventory.RecordOutcome}, nil},
		"limit":                       {audit.Query{Limit: 2}, []int64{1, 2}},
		"newest":                      {audit.Query{Limit: 3, Newest: true, Principal: "bob"}, []int64{25, 27, 29}},
		"newest of few":               {audit.Query{Limit: 9, Newest: true, To: at(3)}, []int64{1, 2}},
		"after the end":               {audit.Query{AfterSeq: 30}, nil},
	} {
		got, err := j.Records(context.Background(), c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var seqs []int64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		if len(seqs) != len(c.want) {
			t.Errorf("%s: got %v, want %v", name, seqs, c.want)
			continue
		}
		for i := range seqs {
			if seqs[i] != c.want[i] {
				t.Errorf("%s: got %v, want %v", name, seqs, c.want)
				break
			}
		}
	}
}

func TestRecordsRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 3)
	path := filepath.Join(dir, "0000000000000000001.seg")
	edit(t, path, func(s string) string { return replaceOnce(t, s, "web2", "web3") })
	_, err := j.Records(context.Background(), audit.Query{})
	if k, _ := inventory.Kind(err); k.Err != inventory.ErrState {
		t.Fatalf("Records of a damaged journal: %v", err)
	}
}

func TestAppendRefusesAChangedFile(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 3)
	path := filepath.Join(dir, "0000000000000000001.seg")
	before, _ := os.ReadFile(path)
	edit(t, path, func(s string) string { return s + "x" })
	if _, err := j.Append(context.Background(), record(4)); err == nil {
		t.Fatal("a record was written over what somebody else had added")
	}
	os.WriteFile(path, before, 0o600)
	fill(t, j, 4, 4)
	wantClean(t, dir, 4)
}

func TestFollow(t *testing.T) {
	j := open(t, t.TempDir(), 2000)
	fill(t, j, 1, 10)
	all, late := j.Follow(context.Background(), 0), j.Follow(context.Background(), 10)
	ctx, cancel := context.WithCancel(context.Background())
	dropped := j.Follow(ctx, 0)
	<-dropped
	cancel()
	fill(t, j, 11, 20)
	j.Close()
	for want := int64(1); want <= 20; want++ {
		if e := <-all; e.Seq != want {
			t.Fatalf("got %d, want %d", e.Seq, want)
		}
		if want > 10 {
			if e := <-late; e.Seq != want {
				t.Fatalf("late follower got %d, want %d", e.Seq, want)
			}
		}
	}
	for range dropped {
	}
	if _, ok := <-all; ok {
		t.Fatal("the channel stays open after Close")
	}
}
