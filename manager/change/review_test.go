package change_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

func emergency(r *gate.Request) { r.Emergency = true }

// What guards the checks themselves yields to no emergency: a policy that is to wait for somebody else
// would be changed by its own exception.
func TestEmergencyDoesNotPassWhatIsFirm(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) {
		w.rights["dev1"] = append(w.rights["dev1"], inventory.RightEmergency)
		w.needs = []inventory.Condition{{Approvals: 1, Role: "admin", Policy: "base.policy", Firm: true}, {Approvals: 1, Role: "approver"}}
	})
	if _, err := b.give("new", emergency); !errors.Is(err, inventory.ErrDenied) || !strings.Contains(err.Error(), "policy base.policy yields to no emergency") {
		t.Errorf("it passed: %v", err)
	}
	if c := b.held(); !c.Missing[0].Firm || b.owner() != "o" {
		t.Errorf("it waits for %+v, and db1 is %s's", c.Missing, b.owner())
	}
}

// An emergency runs at once, in a freeze too, and stays open until somebody else has looked at it.
func TestEmergency(t *testing.T) {
	b := newBench(t)
	b.window(inventory.WindowArgs{Name: "launch", Until: b.world.clock().Add(48 * time.Hour), Freeze: true})
	if _, err := b.give("new", emergency); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("without the right: %v", err)
	}
	b.world.change(func(w *world) { w.rights["dev1"] = append(w.rights["dev1"], inventory.RightEmergency) })
	if _, err := b.give("new", emergency, func(r *gate.Request) { r.Reason = "" }); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	a, err := b.give("new", emergency)
	if err != nil || a.Operation == nil {
		t.Fatalf("emergency: %+v, %v", a.Change, err)
	}
	op := b.wait(a)
	c := b.change(op.Change)
	if c.Number != 1 || c.Class != inventory.ClassEmergency || c.State != inventory.ChangeDone || !c.Review.IsOpen() || b.owner() != "new" {
		t.Errorf("it is %+v, db1 is %s's", c, b.owner())
	}
	if got := strings.Join(b.journal.of(c.ID), ", "); !strings.HasPrefix(got, "fact change.emergency dev1, intent container.update dev1") {
		t.Errorf("the journal has %s", got)
	}
	decide := func(who, verb, note string) error {
		_, err := b.changes.Decide(b.as(who), verb, c.ID, note)
		return err
	}
	if err := decide("dev1", "change.review", "fine"); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("reviewed by who did it: %v", err)
	}
	if err := decide("dev1", "change.close", ""); !errors.Is(err, inventory.ErrState) {
		t.Errorf("closed without a review: %v", err)
	}
	if err := decide("ops1", "change.review", ""); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("reviewed without a word: %v", err)
	}
	b.world.later(73 * time.Hour)
	for range 2 {
		if err := b.changes.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(b.journal.of(c.ID), " "), "change.overdue"); n != 1 {
		t.Errorf("said %d times that the review is late", n)
	}
	if err := decide("ops1", "change.review", "the disk was full"); err != nil {
		t.Error(err)
	}
	if now := b.change(c.ID); now.State != inventory.ChangeClosed || now.Review.By != "ops1" {
		t.Errorf("after the review it is %s, by %s", now.State, now.Review.By)
	}
}

// An emergency that dies before it is admitted has not happened, and nothing waits for it.
func TestEmergencyCrash(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.rights["dev1"] = append(w.rights["dev1"], inventory.RightEmergency) })
	b.mu.Lock()
	b.edges, b.dieAt = 0, 1
	b.mu.Unlock()
	g := b.gate
	owner := "new"
	go func() {
		r := gate.Request{Verb: "container.update", Ref: inventory.ParseRef("db1"), Reason: "because", Emergency: true,
			Args: []byte(`{"owner":"` + owner + `"}`)}
		g.Begin(b.as("dev1"), r)
	}()
	<-b.dead
	b.open()
	if err := b.gate.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.changes.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := b.store.WaitingChanges(t.Context()); err != nil || len(all) != 0 || b.owner() != "o" {
		t.Errorf("left: %+v, %v; db1 is %s's", all, err, b.owner())
	}
}

// A standard change waits for nobody, but for its window.
func TestStandardChange(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.settings = map[string]string{"change.standard": "container.update"} })
	a, err := b.give("new")
	if err != nil || a.Operation == nil {
		t.Fatalf("standard: %+v, %v", a.Change, err)
	}
	if c := b.change(b.wait(a).Change); c.Class != inventory.ClassStandard || c.State != inventory.ChangeDone {
		t.Errorf("it is %s and %s", c.Class, c.State)
	}
	b.window(inventory.WindowArgs{Name: "mondays", Schedule: "mon 02:00-06:00"})
	if a, err = b.give("other"); err != nil || a.Change == nil || a.Change.State != inventory.ChangeScheduled {
		t.Fatalf("outside its window: %+v, %v", a.Change, err)
	}
	c := *a.Change
	b.world.later(15 * time.Hour)
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeDone)
	if _, err := b.changes.Decide(b.as("dev1"), "change.close", c.ID, "seen"); err != nil {
		t.Error(err)
	}
	b.is(c.ID, inventory.ChangeClosed)
}
