package store_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lodge/inventory"
	"lodge/manager/gate"
)

var same = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(inventory.NIC{})}

func TestAdmitCreateRoundTrip(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := b.container("web1")
	op := b.admit(b.admission("container.create", nil, c))

	want := c.Clone()
	want.Revision, want.CreatedAt, want.UpdatedAt = 1, b.clock(), b.clock()
	if diff := cmp.Diff(want, op.After, same); diff != "" {
		t.Error("operation's after:", diff)
	}
	for _, ref := range []inventory.Ref{{Name: "web1"}, {Project: "default", Name: "web1"}, {Name: string(c.ID)}} {
		got, err := b.Container(ctx, ref)
		if err != nil {
			t.Fatal(ref, err)
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Error(ref, diff)
		}
	}
	stored, err := b.Operation(ctx, op.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(op, stored, same); diff != "" {
		t.Error("operation:", diff)
	}
	b.end(gate.Ending{ID: op.ID, Result: []byte(`{"x":1}`)})
	stored, _ = b.Operation(ctx, op.ID)
	if stored.State != inventory.OperationDone || stored.EndedAt != b.clock() || string(stored.Result) != `{"x":1}` {
		t.Errorf("ended: %+v", stored)
	}
	history, err := b.History(ctx, c.ID)
	if err != nil || len(history) != 1 {
		t.Fatal(history, err)
	}
	if diff := cmp.Diff(want, history[0].Container, same); diff != "" {
		t.Error("history:", diff)
	}
}
