package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/manager/gate"
)

func TestEventsUnderConcurrency(t *testing.T) {
	b, ctx := open(t), context.Background()
	poked, stop := b.Subscribe()
	defer stop()
	const writers, each = 8, 20
	read := make(chan int64)
	go func() { // a reader that only ever reads on after a poke sees them all
		var last int64
		for range poked {
			for {
				events, err := b.Events(ctx, last, 7)
				if err != nil || len(events) == 0 {
					break
				}
				if events[0].Seq != last+1 {
					t.Errorf("event %d follows %d", events[0].Seq, last)
				}
				last = events[len(events)-1].Seq
			}
			if last == 3*writers*each {
				break
			}
		}
		read <- last
	}()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				c := b.container("")
				c.Name = "web" + c.ID.Short()
				op, _, err := b.Admit(ctx, b.admission("container.create", nil, c))
				if err != nil {
					t.Error(err)
					return
				}
				// Refused ones use up no number.
				if _, _, err := b.Admit(ctx, b.admission("container.stop", op.After, nil)); !errors.Is(err, inventory.ErrBusy) {
					t.Error(err)
				}
				if err := b.AppendEvent(ctx, inventory.Event{Type: "container.state", Container: c.ID, Data: []byte(`{}`)}); err != nil {
					t.Error(err)
				}
				b.end(gate.Ending{ID: op.ID})
			}
		})
	}
	all.Wait()
	if n := b.checkEvents(); n != 3*writers*each {
		t.Error(n)
	}
	select {
	case <-read:
	case <-time.After(30 * time.Second):
		t.Error("the reader was not poked for all of them")
	}
}

func TestEventContent(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.container("web1")
	op := b.admit(b.admission("container.create", nil, web1))
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationFailed, Error: "no", Kind: "state", Restore: true})
	ok(t, b.AppendEvent(ctx, inventory.Event{Seq: 99, Type: "x"}))
	events := must[[]inventory.Event](t)(b.Events(ctx, 0, 10))
	want := []inventory.Event{
		{Seq: 1, At: b.clock(), Type: "operation.started", Container: web1.ID, Name: "web1", Project: "default", Operation: op.ID,
			Data: []byte(`{"verb":"container.create","state":"running","subject":"container:` + string(web1.ID) + `","principal":"alice"}`)},
		{Seq: 2, At: b.clock(), Type: "operation.ended", Container: web1.ID, Name: "web1", Project: "default", Operation: op.ID,
			Data: []byte(`{"verb":"container.create","state":"failed","subject":"container:` + string(web1.ID) + `","principal":"alice","error":"no","kind":"state"}`)},
		{Seq: 3, At: b.clock(), Type: "x"},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
}

func TestPruneEventsKeepsNumbering(t *testing.T) {
	b, ctx := open(t), context.Background()
	for range 3 {
		ok(t, b.AppendEvent(ctx, inventory.Event{Type: "x"}))
	}
	b.later(48 * time.Hour)
	if n := must[int](t)(b.PruneEvents(ctx, 3)); n != 0 {
		t.Error(n)
	}
	if n := must[int](t)(b.PruneEvents(ctx, 1)); n != 2 {
		t.Error(n)
	}
	if n := must[int](t)(b.PruneEvents(ctx, 1)); n != 0 {
		t.Error("the newest event went:", n)
	}
	ok(t, b.AppendEvent(ctx, inventory.Event{Type: "x"}))
	first, last := must[int64](t)(b.FirstEvent(ctx)), must[int64](t)(b.LastEvent(ctx))
	if first != 3 || last != 4 {
		t.Error(first, last)
	}
}

// A long history goes in many transactions, and goes whole.
func TestPruneManyEvents(t *testing.T) {
	b, ctx := open(t), context.Background()
	_, err := b.raw().Exec(`WITH RECURSIVE n (seq) AS (VALUES (1) UNION ALL SELECT seq + 1 FROM n WHERE seq < 9000)
		INSERT INTO events SELECT ?, seq, ?, 'x', '', '', '', '', NULL FROM n`, string(b.host), b.clock().UnixNano())
	ok(t, err)
	b.later(48 * time.Hour)
	ok(t, b.AppendEvent(ctx, inventory.Event{Type: "y"}))
	if n := must[int](t)(b.PruneEvents(ctx, 1)); n != 9000 {
		t.Error(n)
	}
	if first := must[int64](t)(b.FirstEvent(ctx)); first != 9001 {
		t.Error(first)
	}
}
