package change_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

func TestHeldApprovedDone(t *testing.T) {
	b := newBench(t)
	c := b.held()
	if c.Number != 1 || c.Class != inventory.ClassNormal || c.Name != "db1" || c.Environment != "prod" {
		t.Errorf("the change is %+v", c)
	}
	if got := inventory.NeedTexts(c.Missing, c.Environment); !slices.Equal(got, []string{"1 approval by approver of prod"}) {
		t.Errorf("it needs %q", got)
	}
	if b.owner() != "o" {
		t.Fatal("a held change changed something")
	}
	a, err := b.approve("ops1", c)
	if err != nil || a.Operation == nil {
		t.Fatalf("approve: %+v, %v", a, err)
	}
	if op := b.wait(a); op.State != inventory.OperationDone || op.Change != c.ID || op.Principal.Name != "dev1" {
		t.Errorf("operation: %+v", op)
	}
	b.is(c.ID, inventory.ChangeDone)
	if b.owner() != "new" {
		t.Error("the released change did not happen")
	}
	if _, err := b.approve("ops2", c); !errors.Is(err, inventory.ErrState) {
		t.Errorf("approving what is done: %v", err)
	}
	want := []string{"intent change.submit dev1", "fact change.approve ops1", "intent container.update dev1", "outcome container.update dev1"}
	if got := b.journal.of(c.ID); !slices.Equal(got, want) {
		t.Errorf("the journal has %q", got)
	}
	if b.held().Number != 2 {
		t.Error("the next change is not number 2")
	}
}

func TestAChangeFollowsItsOperation(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.fail = true })
	c := b.held()
	a, err := b.approve("ops1", c)
	if err != nil {
		t.Fatal(err)
	}
	b.wait(a)
	b.is(c.ID, inventory.ChangeRolledBack)
	if b.change(c.ID).Note != "failed: work does not work" {
		t.Errorf("it says %q", b.change(c.ID).Note)
	}
}

// Who may not decide, and what is said to them.
func TestWhoDecides(t *testing.T) {
	b := newBench(t)
	c := b.held()
	for who, why := range map[string]string{
		"dev1":   "dev1 may not change.approve 1: nobody decides about their own change",
		"viewer": `viewer may not change.approve 1: that takes the right "approve"`,
	} {
		if _, err := b.approve(who, c); !errors.Is(err, inventory.ErrDenied) || err.Error() != why {
			t.Errorf("%s: %v", who, err)
		}
	}
	agent := inventory.WithPrincipal(t.Context(), inventory.System("test"))
	if _, err := b.changes.Approve(agent, c.ID, inventory.ApproveArgs{}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("the agent: %v", err)
	}
	if n := len(slices.DeleteFunc(b.journal.of(c.ID), func(s string) bool { return s[:7] != "refusal" })); n != 3 {
		t.Errorf("%d refusals are in the journal", n)
	}
	if a, err := b.approve("boss", c); err != nil || a.Change == nil || a.Change.State != inventory.ChangeSubmitted {
		t.Errorf("an approval without the role counted: %+v, %v", a, err)
	}
	if _, err := b.approve("boss", c); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("approving twice: %v", err)
	}
}

func TestApprovalsArePerRoleAndPerson(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) {
		w.needs = []inventory.Condition{{Approvals: 2, Role: "approver"}, {Approvals: 1, Role: "owner"}}
	})
	c := b.held()
	for _, who := range []string{"boss", "ops1"} {
		if a, err := b.approve(who, c); err != nil || a.Change == nil || len(a.Change.Missing) != 1 {
			t.Fatalf("after %s: %+v, %v", who, a.Change, err)
		}
	}
	if got := inventory.ConditionTexts(b.change(c.ID).Missing); !slices.Equal(got, []string{"1 approval by approver"}) {
		t.Errorf("it lacks %q", got)
	}
	a, err := b.approve("ops2", c)
	if err != nil {
		t.Fatal(err)
	}
	b.wait(a)
	b.is(c.ID, inventory.ChangeDone)
}

// What may move between an approval and the release, and what becomes of the change.
func TestMovedWorld(t *testing.T) {
	two := []inventory.Condition{{Approvals: 2, Role: "approver"}}
	for name, tc := range map[string]struct {
		move func(*bench, inventory.Change)
		want inventory.ChangeState
		note string
	}{
		"revision": {func(b *bench, _ inventory.Change) {
			b.world.change(func(w *world) { w.needs = nil })
			a, err := b.give("else")
			if err != nil {
				b.Fatal(err)
			}
			b.wait(a)
			b.world.change(func(w *world) { w.needs = two })
		}, inventory.ChangeVoid, "what it would change has moved since it was planned; submit it again"},
		"policy": {func(b *bench, _ inventory.Change) { b.world.change(func(w *world) { w.revision = "2" }) },
			inventory.ChangeVoid, "what it would change has moved since it was planned; submit it again"},
		"denied by now": {func(b *bench, _ inventory.Change) { b.world.change(func(w *world) { w.deny = "not any more" }) },
			inventory.ChangeVoid, "container.update db1 is not allowed: not any more"},
		"requester lost the right": {func(b *bench, _ inventory.Change) {
			b.world.change(func(w *world) { w.rights["dev1"] = []inventory.Right{inventory.RightView} })
		}, inventory.ChangeVoid, `dev1 may not container.update: that takes the right "manage"`},
		"approver lost the right": {func(b *bench, _ inventory.Change) {
			b.world.change(func(w *world) { w.rights["ops1"] = []inventory.Right{inventory.RightView} })
		}, inventory.ChangeSubmitted, ""},
		"approver lost the role": {func(b *bench, _ inventory.Change) {
			b.world.change(func(w *world) { w.roles["ops1"] = nil })
		}, inventory.ChangeSubmitted, ""},
		"approval expired": {func(b *bench, _ inventory.Change) { b.world.later(4 * 24 * time.Hour) }, inventory.ChangeSubmitted, ""},
		"approval withdrawn": {func(b *bench, c inventory.Change) {
			if _, err := b.changes.Decide(b.as("ops1"), "change.withdraw", c.ID, "second thoughts"); err != nil {
				b.Fatal(err)
			}
		}, inventory.ChangeSubmitted, ""},
		"policies ask for more": {func(b *bench, _ inventory.Change) {
			b.world.change(func(w *world) { w.needs = []inventory.Condition{{Approvals: 3, Role: "approver"}} })
		}, inventory.ChangeSubmitted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.world.change(func(w *world) { w.needs = two })
			c := b.held()
			if a, err := b.approve("ops1", c); err != nil || a.Change == nil {
				t.Fatalf("the first of two: %+v, %v", a, err)
			}
			tc.move(b, c)
			a, err := b.approve("ops2", c)
			if err != nil || a.Change == nil {
				t.Fatalf("it ran: %+v, %v", a, err)
			}
			b.is(c.ID, tc.want)
			if tc.note != "" && b.change(c.ID).Note != tc.note {
				t.Errorf("it says %q", b.change(c.ID).Note)
			}
			if b.owner() == "new" {
				t.Error("it happened")
			}
		})
	}
}

// An approval says yes to one plan: put on another change it counts for nothing.
func TestReplayedApproval(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.needs[0].Approvals = 2 })
	first, second := b.held(), b.held()
	if _, err := b.approve("ops1", first); err != nil {
		t.Fatal(err)
	}
	second.Approvals = b.change(first.ID).Approvals
	second, err := b.store.UpdateChange(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := b.approve("ops2", second); err != nil || a.Change == nil || a.Change.State != inventory.ChangeSubmitted {
		t.Errorf("a replayed approval counted: %+v, %v", a, err)
	}
	edited := b.change(first.ID)
	edited.Plan.Args = []byte(`{"owner":"mallory"}`)
	edited, err = b.store.UpdateChange(t.Context(), edited)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := b.approve("ops2", edited); err != nil || a.Change == nil || a.Change.State != inventory.ChangeVoid {
		t.Errorf("an edited plan ran: %+v, %v", a, err)
	}
	if b.owner() != "o" {
		t.Errorf("db1 belongs to %s", b.owner())
	}
}

func TestEndsOfAChangeThatNeverBegan(t *testing.T) {
	b := newBench(t)
	rejected, cancelled, late := b.held(), b.held(), b.held()
	if _, err := b.changes.Decide(b.as("ops1"), "change.cancel", cancelled.ID, ""); err != nil {
		t.Errorf("cancelled by an approver: %v", err)
	}
	if _, err := b.changes.Decide(b.as("viewer"), "change.cancel", rejected.ID, ""); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("cancelled by a viewer: %v", err)
	}
	if _, err := b.changes.Decide(b.as("dev1"), "change.reject", rejected.ID, ""); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("rejected by its requester: %v", err)
	}
	if _, err := b.changes.Decide(b.as("ops1"), "change.reject", rejected.ID, "no"); err != nil {
		t.Error(err)
	}
	if _, err := b.changes.Decide(b.as("ops1"), "change.withdraw", late.ID, ""); !errors.Is(err, inventory.ErrState) {
		t.Errorf("withdrawn without an approval: %v", err)
	}
	b.world.later(8 * 24 * time.Hour)
	if err := b.changes.Tend(t.Context()); err != nil {
		t.Error(err)
	}
	b.is(rejected.ID, inventory.ChangeRejected)
	b.is(cancelled.ID, inventory.ChangeCancelled)
	b.is(late.ID, inventory.ChangeExpired)
}

// A token is less than its user: it submits, takes back or closes nothing of theirs, and what they
// agreed to stands whatever it says.
func TestTokenSpeaksForItselfAlone(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.needs[0].Approvals = 2 })
	user := person("dev1")
	user.User = "u-dev1"
	token := inventory.Principal{Name: "dev1", User: "u-dev1", Kind: inventory.KindToken, Token: "t-view", Proof: "token ci"}
	as := func(p inventory.Principal) context.Context { return inventory.WithPrincipal(t.Context(), p) }
	b.world.change(func(w *world) { w.rights["dev1"] = []inventory.Right{inventory.RightView, inventory.RightManage} })
	asked := func(p inventory.Principal, draft bool) inventory.Change {
		t.Helper()
		to := "new"
		raw, _ := json.Marshal(inventory.UpdateArgs{Owner: &to})
		a, err := b.gate.Begin(as(p), gate.Request{Verb: "container.update", Ref: inventory.ParseRef("db1"), Args: raw, Reason: "r", Draft: draft})
		if err != nil || a.Change == nil {
			t.Fatalf("%+v, %v", a, err)
		}
		return *a.Change
	}
	draft, waits, own := asked(user, true), asked(user, false), asked(token, false)
	raw, _ := json.Marshal(inventory.ChangeArgs{Change: draft.Label()})
	if _, err := b.gate.Begin(as(token), gate.Request{Verb: "change.release", Args: raw}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("a token submitted its user's draft: %v", err)
	}
	b.is(draft.ID, inventory.ChangeDraft)
	if _, err := b.changes.Decide(as(token), "change.cancel", waits.ID, ""); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("a token took its user's change back: %v", err)
	}
	if _, err := b.changes.Decide(as(token), "change.cancel", own.ID, ""); err != nil {
		t.Errorf("a token could not take its own change back: %v", err)
	}
	agrees := inventory.Principal{Name: "ops1", User: "u-ops1", Kind: inventory.KindPerson, Proof: "test"}
	if _, err := b.changes.Approve(as(agrees), waits.ID, inventory.ApproveArgs{}); err != nil {
		t.Fatal(err)
	}
	program := inventory.Principal{Name: "ops1", User: "u-ops1", Kind: inventory.KindToken, Token: "t-ops", Proof: "token ci"}
	if _, err := b.changes.Decide(as(program), "change.withdraw", waits.ID, ""); !errors.Is(err, inventory.ErrState) {
		t.Errorf("a token withdrew its user's approval: %v", err)
	}
	if a := b.change(waits.ID).Approvals; len(a) != 1 || !a[0].Withdrawn.IsZero() {
		t.Errorf("the approvals are %+v", a)
	}
}

// A cooling-off time holds a plan without anybody's approval; its deadline lets it begin.
func TestCoolingOff(t *testing.T) {
	b := newBench(t)
	b.world.change(func(w *world) { w.needs = []inventory.Condition{{Delay: time.Hour}} })
	c := b.held()
	if c.State != inventory.ChangeScheduled || !c.Release.Equal(b.world.clock().Add(time.Hour)) {
		t.Fatalf("it is %s and begins at %s", c.State, c.Release)
	}
	b.world.later(59 * time.Minute)
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeScheduled)
	if a, err := b.changes.Release(b.as("ops1"), c.ID); err != nil || a.Change == nil || a.Change.State != inventory.ChangeScheduled {
		t.Errorf("released early: %+v, %v", a, err)
	}
	b.world.later(2 * time.Minute)
	b.gate.RunDue(t.Context())
	b.settled()
	b.is(c.ID, inventory.ChangeDone)
}

// The same request sent again is the same change.
func TestRepeatedRequest(t *testing.T) {
	b := newBench(t)
	key := func(r *gate.Request) { r.Key = "k1" }
	first, err := b.give("new", key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.give("new", key)
	if err != nil || again.Change == nil || again.Change.ID != first.Change.ID {
		t.Errorf("asked again: %+v, %v", again.Change, err)
	}
}

// Whatever the moment the process dies in, the next agent brings the change to its end, and what it
// does is done once.
func TestNextAgentReleases(t *testing.T) {
	for edge := 1; ; edge++ {
		b := newBench(t)
		c := b.held()
		b.mu.Lock()
		b.edges, b.dieAt = 0, edge
		b.mu.Unlock()
		ended, changes, g := make(chan struct{}), b.changes, b.gate
		go func() {
			defer close(ended)
			if a, err := changes.Approve(b.as("ops1"), c.ID, inventory.ApproveArgs{}); err == nil && a.Operation != nil {
				g.Wait(t.Context(), a.Operation.ID)
			}
		}()
		select {
		case <-ended:
			if edge < 8 {
				t.Errorf("only %d boundaries", edge)
			}
			return
		case <-b.dead:
		}
		b.open()
		if err := b.gate.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.settled()
		if err := b.changes.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.settled()
		now := b.change(c.ID)
		if now.State == inventory.ChangeSubmitted { // it died before the approval held: given again it does
			if len(now.Approvals) > 0 {
				t.Errorf("edge %d: approved, and still %s", edge, now.State)
			}
			a, err := b.approve("ops1", c)
			if err != nil {
				t.Fatal(err)
			}
			b.wait(a)
		}
		now = b.change(c.ID)
		all, err := b.store.Operations(t.Context(), store.OperationQuery{Verb: "container.update"})
		if err != nil {
			t.Fatal(err)
		}
		undone := now.State == inventory.ChangeRolledBack && b.owner() == "o"
		if done := now.State == inventory.ChangeDone && b.owner() == "new"; len(all) != 1 || !done && !undone {
			t.Errorf("edge %d: the change is %s, db1 belongs to %s, %d operations", edge, now.State, b.owner(), len(all))
		}
	}
}

// A draft promises nothing: it is planned afresh when its author asks for it.
func TestDraft(t *testing.T) {
	b := newBench(t)
	draft := func(r *gate.Request) { r.Draft = true }
	a, err := b.give("new", draft)
	if err != nil || a.Change == nil || a.Change.State != inventory.ChangeDraft {
		t.Fatalf("draft: %+v, %v", a, err)
	}
	c := *a.Change
	if _, err := b.approve("ops1", c); !errors.Is(err, inventory.ErrState) {
		t.Errorf("approving a draft: %v", err)
	}
	release := func(who string) error {
		_, err := b.begin(who, gate.Request{Verb: "change.release"}, inventory.ChangeArgs{Change: c.Label()})
		b.settled()
		return err
	}
	if err := release("ops1"); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("submitted by another: %v", err)
	}
	b.world.later(30 * 24 * time.Hour)
	b.world.change(func(w *world) { w.revision = "2" })
	if err := release("dev1"); err != nil {
		t.Fatal(err)
	}
	b.is(c.ID, inventory.ChangeSubmitted)
	if a, err = b.approve("ops1", c); err != nil || a.Operation == nil {
		t.Fatalf("approve: %+v, %v", a.Change, err)
	}
	b.wait(a)
	b.is(c.ID, inventory.ChangeDone)

	b.world.change(func(w *world) { w.needs = nil })
	if a, err = b.give("other", draft); err != nil {
		t.Fatal(err)
	}
	c = *a.Change
	if err := release("dev1"); err != nil {
		t.Fatal(err)
	}
	b.is(c.ID, inventory.ChangeDone)
}
