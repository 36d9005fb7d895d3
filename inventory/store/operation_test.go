package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

func TestOperationsLists(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	var ids []inventory.OperationID
	for i := range 5 {
		b.later(time.Second)
		op := b.admit(b.admission("container.start", web1, nil))
		ids = append(ids, op.ID)
		if i < 4 {
			b.end(gate.Ending{ID: op.ID, State: []inventory.OperationState{inventory.OperationDone, inventory.OperationFailed}[i%2]})
		}
	}
	ok(t, b.SaveStep(ctx, ids[4], inventory.OperationUndoing, 0, []byte(`{"k":"v"}`)))
	ok(t, b.NoteStep(ctx, ids[4], 1))
	ok(t, b.AskCancel(ctx, ids[4]))
	ok(t, b.SaveProgress(ctx, ids[4], 42, "unpacking"))
	got := must[inventory.Operation](t)(b.Operation(ctx, ids[4]))
	if got.State != inventory.OperationUndoing || got.Step != 1 || string(got.Data) != `{"k":"v"}` || !got.CancelAsked ||
		got.Percent != 42 || got.Progress != "unpacking" || string(got.Args) != `{"a":"<b>"}` {
		t.Errorf("%+v", got)
	}
	list := func(q store.OperationQuery) []inventory.OperationID {
		var out []inventory.OperationID
		for _, op := range must[[]inventory.Operation](t)(b.Operations(ctx, q)) {
			out = append(out, op.ID)
		}
		return out
	}
	for _, tc := range []struct {
		q    store.OperationQuery
		want []inventory.OperationID
	}{
		{store.OperationQuery{Verb: "container.start", Limit: 2}, []inventory.OperationID{ids[4], ids[3]}},
		{store.OperationQuery{Verb: "container.start", Limit: 2, After: ids[3]}, []inventory.OperationID{ids[2], ids[1]}},
		{store.OperationQuery{State: store.Unfinished}, []inventory.OperationID{ids[4]}},
		{store.OperationQuery{State: "failed"}, []inventory.OperationID{ids[3], ids[1]}},
		{store.OperationQuery{State: store.Ended, Verb: "container.start"}, []inventory.OperationID{ids[3], ids[2], ids[1], ids[0]}},
		{store.OperationQuery{Container: "none"}, nil},
		{store.OperationQuery{Project: "shop"}, nil},
	} {
		if diff := cmp.Diff(tc.want, list(tc.q)); diff != "" {
			t.Errorf("%+v: %s", tc.q, diff)
		}
	}
	must[inventory.Change](t)(b.AddChange(ctx, inventory.Change{ID: "c1", State: inventory.ChangeDone,
		Class: inventory.ClassNormal, Operation: ids[0], CreatedAt: b.clock()}))
	b.later(time.Hour)
	if n := must[int](t)(b.PruneOperations(ctx, b.clock())); n != 4 {
		t.Error("pruned", n)
	}
	if diff := cmp.Diff([]inventory.OperationID{ids[4], ids[0]}, list(store.OperationQuery{})); diff != "" {
		t.Error("the running one and the one a change refers to stay:", diff)
	}
}

func TestPruneTakesKeys(t *testing.T) {
	b := open(t)
	a := b.admission("container.create", nil, b.container("web1"))
	a.Operation.Key = "k"
	b.end(gate.Ending{ID: b.admit(a).ID})
	b.later(time.Hour)
	must[int](t)(b.PruneOperations(context.Background(), b.clock()))
	a = b.admission("container.create", nil, b.container("web2"))
	a.Operation.Key = "k"
	b.admit(a)
}

func TestChanges(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := inventory.Change{ID: inventory.ChangeID(inventory.NewID(b.clock())), State: inventory.ChangeSubmitted,
		Class: inventory.ClassNormal, Name: "web1", Project: "default", Environment: "prod",
		Plan: inventory.Plan{Verb: "container.stop", Container: "c1", Subject: "container:c1", Base: 3,
			Args: []byte(`{"text":"<&>"}`), Effects: []inventory.EffectLine{{Field: "state", After: "stopped"}},
			Expiry: b.clock(), Nonce: "n", Digest: "d", Steps: []string{"stop"}},
		Request: []byte(`{"Verb":"<container.stop>"}`), Requester: inventory.Principal{Name: "alice"}, Reason: "r",
		Needs: []inventory.Condition{{Approvals: 1}}, CreatedAt: b.clock()}
	c = must[inventory.Change](t)(b.AddChange(ctx, c))
	if c.Number != 1 || c.Revision != 1 {
		t.Errorf("the first change is %d at revision %d", c.Number, c.Revision)
	}
	for _, ref := range []inventory.ChangeID{c.ID, "1"} {
		if diff := cmp.Diff(c, must[inventory.Change](t)(b.Change(ctx, ref)), same); diff != "" {
			t.Errorf("by %s: %s", ref, diff)
		}
	}
	seen := c
	c.State, c.DecidedAt, c.Note, c.Ticket = inventory.ChangeApproved, b.clock(), "fine", ""
	c.Approvals = []inventory.Approval{{Principal: inventory.Principal{Name: "bob"}, Digest: "d", At: b.clock(),
		Expires: b.clock(), Note: "n", Withdrawn: b.clock(), Signature: &inventory.Signature{Key: "k"}}}
	c.Review = inventory.Review{Due: b.clock(), Reminded: b.clock()}
	c = must[inventory.Change](t)(b.UpdateChange(ctx, c))
	if diff := cmp.Diff(c, must[inventory.Change](t)(b.Change(ctx, c.ID)), same); diff != "" {
		t.Error(diff)
	}
	if _, err := b.UpdateChange(ctx, seen); !errors.Is(err, inventory.ErrStale) {
		t.Error(err)
	}
	other := c
	other.State = inventory.ChangeDraft
	if _, err := b.UpdateChange(ctx, other); !errors.Is(err, inventory.ErrState) {
		t.Error(err)
	}
	for _, ref := range []inventory.ChangeID{"none", "2"} {
		if _, err := b.Change(ctx, ref); !errors.Is(err, inventory.ErrNotFound) {
			t.Error(err)
		}
	}
	other.ID = "none"
	if _, err := b.UpdateChange(ctx, other); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	approved := []inventory.ChangeState{inventory.ChangeApproved}
	if all := must[[]inventory.Change](t)(b.Changes(ctx, store.ChangeQuery{States: approved, Container: "c1", Verb: "container.stop"})); len(all) != 1 {
		t.Error(all)
	}
	if all := must[[]inventory.Change](t)(b.Changes(ctx, store.ChangeQuery{States: []inventory.ChangeState{inventory.ChangeSubmitted}})); len(all) != 0 {
		t.Error(all)
	}
	if all := must[[]inventory.Change](t)(b.OpenReviews(ctx)); len(all) != 1 {
		t.Error(all)
	}
}

// A scheduled change has one deadline that waits, and one that goes on has none.
func TestScheduledChangeHasADeadline(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := must[inventory.Change](t)(b.AddChange(ctx, inventory.Change{ID: "c1", State: inventory.ChangeSubmitted,
		Class: inventory.ClassNormal, CreatedAt: b.clock()}))
	due := func() (out []time.Time) {
		for _, d := range must[[]inventory.Deadline](t)(b.Deadlines(ctx, store.DeadlineQuery{Waiting: true})) {
			out = append(out, d.Due)
		}
		return out
	}
	for _, wait := range []time.Duration{time.Hour, time.Hour, 2 * time.Hour} {
		c.State, c.Release = inventory.ChangeScheduled, b.clock().Add(wait)
		c = must[inventory.Change](t)(b.UpdateChange(ctx, c))
		if got := due(); len(got) != 1 || !got[0].Equal(c.Release) {
			t.Errorf("it waits until %v, not %s", got, c.Release)
		}
	}
	c.State = inventory.ChangeRejected
	must[inventory.Change](t)(b.UpdateChange(ctx, c))
	if got := due(); len(got) != 0 {
		t.Errorf("a rejected change waits until %v", got)
	}
}
