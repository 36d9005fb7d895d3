package gate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

func TestIdempotencyKey(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	raw, _ := json.Marshal(ownedBy("dev1"))
	r := gate.Request{Verb: "container.update", Ref: inventory.ParseRef("web1"), Args: raw, Key: "k1"}
	first, err := b.gate.Begin(b.as(root), r)
	if err != nil {
		t.Fatal(err)
	}
	b.wait(first)
	again, err := b.gate.Begin(b.as(root), r)
	if err != nil || again.Operation.ID != first.Operation.ID {
		t.Errorf("same key: %+v, %v", again, err)
	}
}

// The first try has changed what the second one would be judged by: the name is taken, the
// container is gone.
func TestIdempotencyKeyOutlivesWhatTheFirstTryChanged(t *testing.T) {
	b := newBench(t)
	create := gate.Request{Verb: "container.create", Args: json.RawMessage(`{"name":"web1"}`), Key: "k"}
	purge := gate.Request{Verb: "container.purge", Ref: inventory.ParseRef("web1"), Key: "k"}
	for _, r := range []gate.Request{create, purge} {
		first, err := b.gate.Begin(b.as(root), r)
		if err != nil {
			t.Fatal(err)
		}
		b.wait(first)
		again, err := b.gate.Begin(b.as(root), r)
		if err != nil || again.Operation.ID != first.Operation.ID {
			t.Errorf("%s again with its key: %+v, %v", r.Verb, again, err)
		}
		if _, err := b.gate.Begin(b.as(second), r); err == nil {
			t.Errorf("%s with the key of somebody else is taken for a repetition", r.Verb)
		}
	}
	create.Args = json.RawMessage(`{"name":"web2"}`)
	if _, err := b.gate.Begin(b.as(root), create); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("the key for another name: %v", err)
	}
	b.clock.move(25 * time.Hour)
	if answer, err := b.gate.Begin(b.as(root), create); err != nil {
		t.Errorf("the key a day later: %v", err)
	} else {
		b.wait(answer)
	}
}

// later makes web1, which in an hour is to be owned by later.
func (b *bench) later(missed inventory.MissedRule) *inventory.Container {
	b.Helper()
	b.create("web1")
	c, _ := b.store.Container(b.Context(), inventory.ParseRef("web1"))
	raw, _ := json.Marshal(ownedBy("later"))
	err := b.gate.AddDeadline(b.Context(), inventory.Deadline{Due: b.clock.now().Add(time.Hour), Verb: "container.update",
		Container: c.ID, Args: raw, Principal: root, Missed: missed})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func TestDeadlinesRunOnceWhateverTheClockDoes(t *testing.T) {
	b := newBench(t)
	b.later(inventory.MissedRun)
	b.gate.RunDue(t.Context())
	if b.owner("web1") != "o" {
		t.Fatal("it ran early")
	}
	b.clock.move(2 * time.Hour)
	b.gate.RunDue(t.Context())
	waitFor(t, func() bool { return b.owner("web1") == "later" })
	b.clock.move(-90 * time.Minute) // the clock is set back behind the deadline
	b.gate.RunDue(t.Context())
	b.clock.move(3 * time.Hour)
	b.gate.RunDue(t.Context())
	done := 0
	for _, line := range b.journal.story() {
		if line == "intent container.update" {
			done++
		}
	}
	if done != 1 {
		t.Errorf("it ran %d times", done)
	}
}

func TestMissedDeadlineIsSkippedWhereItSaysSo(t *testing.T) {
	b := newBench(t)
	c := b.later(inventory.MissedSkip)
	b.clock.move(3 * time.Hour)
	b.gate.RunDue(t.Context())
	all, err := b.store.Deadlines(t.Context(), store.DeadlineQuery{Container: c.ID})
	if err != nil || len(all) != 1 || !strings.HasPrefix(all[0].Outcome, "skipped") {
		t.Errorf("deadlines: %+v, %v", all, err)
	}
}
