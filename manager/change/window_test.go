package change_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// open makes a window; the bench begins on Sunday 2026-05-03 at noon.
func (b *bench) window(args inventory.WindowArgs) {
	b.Helper()
	a, err := b.begin("boss", gate.Request{Verb: "window.create", Reason: "for tests"}, args)
	if err != nil {
		b.Fatal(err)
	}
	if op := b.wait(a); op.State != inventory.OperationDone {
		b.Fatalf("window.create: %s", op.Error)
	}
}

// What is outside its window is held without anybody's approval, and begins when it opens.
func TestWindowHolds(t *testing.T) {
	b := newBench(t)
	b.create("web1", "dev")
	b.world.change(func(w *world) { w.needs = nil })
	b.window(inventory.WindowArgs{Name: "saturdays", Schedule: "sat 02:00-06:00", Zone: "Europe/Berlin", Filter: "env=prod"})
	b.window(inventory.WindowArgs{Name: "mondays", Schedule: "mon 02:00-06:00", Filter: "env=prod"})
	c := b.held()
	monday := time.Date(2026, 5, 4, 2, 0, 0, 0, time.UTC)
	if c.State != inventory.ChangeScheduled || !c.Release.Equal(monday) {
		t.Errorf("it is %s and begins at %s", c.State, c.Release)
	}
	if got := strings.Join(inventory.ConditionTexts(c.Missing), ""); got != "in window mondays,saturdays" {
		t.Errorf("it lacks %q", got)
	}
	b.world.later(15 * time.Hour) // a Monday, 03:00
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeDone)
	if a, err := b.give("now"); err != nil || a.Operation == nil {
		t.Errorf("within the window: %+v, %v", a.Change, err)
	} else {
		b.wait(a)
	}
	b.world.later(24 * time.Hour)
	owner := "dev9"
	a, err := b.begin("dev1", gate.Request{Verb: "container.update", Ref: inventory.ParseRef("web1")}, inventory.UpdateArgs{Owner: &owner})
	if err != nil || a.Operation == nil {
		t.Errorf("a container the windows are not about: %+v, %v", a.Change, err)
	} else {
		b.wait(a)
	}
}

// Approvals first, then the window: what has them waits for its time alone, over a missed one too.
func TestApprovedChangeWaitsForItsWindow(t *testing.T) {
	b := newBench(t)
	b.window(inventory.WindowArgs{Name: "mondays", Schedule: "mon 02:00-06:00"})
	c := b.held()
	if c.State != inventory.ChangeSubmitted {
		t.Fatalf("without approvals it is %s", c.State)
	}
	if a, err := b.approve("ops1", c); err != nil || a.Change == nil || a.Change.State != inventory.ChangeScheduled {
		t.Fatalf("approved: %+v, %v", a.Change, err)
	}
	b.world.later(19 * time.Hour) // no agent ran while it was open
	b.world.change(func(w *world) { w.settings = map[string]string{"change.approval.keep": "30d"} })
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeScheduled)
	if now := b.change(c.ID); now.Release.Weekday() != time.Monday || !now.Release.After(b.world.clock()) {
		t.Errorf("it begins at %s", now.Release)
	}
	if _, err := b.changes.Decide(b.as("ops1"), "change.withdraw", c.ID, ""); err != nil {
		t.Fatal(err)
	}
	b.is(c.ID, inventory.ChangeSubmitted)
	b.world.later(7*24*time.Hour - 16*time.Hour)
	b.gate.RunDue(t.Context())
	b.settled()
	if b.owner() != "o" {
		t.Error("it ran without the approval that was withdrawn")
	}
}

func TestFreeze(t *testing.T) {
	b := newBench(t)
	c := b.held()
	until := b.world.clock().Add(48 * time.Hour)
	b.window(inventory.WindowArgs{Name: "launch", From: b.world.clock(), Until: until, Filter: "env=prod", Freeze: true})
	if _, err := b.give("else"); !errors.Is(err, inventory.ErrDenied) || !strings.Contains(err.Error(), "freeze launch (for tests) until 2026-05-05T12:00:00Z") {
		t.Errorf("in a freeze: %v", err)
	}
	if a, err := b.give("else", func(r *gate.Request) { r.Draft = true }); err != nil || a.Change == nil {
		t.Errorf("a draft in a freeze: %v", err)
	}
	if a, err := b.approve("ops1", c); err != nil || a.Change == nil || a.Change.State != inventory.ChangeScheduled || !a.Change.Release.Equal(until) {
		t.Errorf("approved in a freeze: %+v, %v", a.Change, err)
	}
	b.world.later(49 * time.Hour)
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeDone)
}

// A window that goes away holds nothing any more; one that comes holds what has not begun.
func TestWindowsComeAndGo(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.needs = nil })
	b.window(inventory.WindowArgs{Name: "mondays", Schedule: "mon 02:00-06:00"})
	c := b.held()
	a, err := b.begin("boss", gate.Request{Verb: "window.remove"}, inventory.WindowNameArgs{Name: "mondays"})
	if err != nil {
		t.Fatal(err)
	}
	b.wait(a)
	if err := b.changes.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.settled()
	b.is(c.ID, inventory.ChangeDone)
	if _, err := b.begin("boss", gate.Request{Verb: "window.remove"}, inventory.WindowNameArgs{Name: "mondays"}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
	if _, err := b.begin("boss", gate.Request{Verb: "window.create"}, inventory.WindowArgs{Name: "old",
		Until: b.world.clock()}); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("a window that is over: %v", err)
	}
}
