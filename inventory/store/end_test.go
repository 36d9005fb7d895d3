package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

func TestEndKeepsAfter(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	after := web1.Clone()
	after.Name, after.NICs[0].IPv4 = "web2", netip.MustParseAddr("10.99.0.1")
	b.later(time.Minute)
	renamed := b.do("container.update", web1, after)

	got, err := b.Container(ctx, inventory.Ref{Name: "web2"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(renamed, got, same); diff != "" || got.Revision != 2 {
		t.Error(got.Revision, diff)
	}
	b.freeAgain(web1.NICs[0].IPv4)
	past, err := b.Addresses(ctx, store.AddressQuery{IP: web1.NICs[0].IPv6, At: web1.CreatedAt})
	if err != nil || len(past) != 1 || past[0].Name != "web1" {
		t.Error("who had it before the rename:", past, err)
	}
	now, err := b.Addresses(ctx, store.AddressQuery{IP: web1.NICs[0].IPv6, At: b.clock()})
	if err != nil || len(now) != 1 || now[0].Name != "web2" || now[0].Container != web1.ID {
		t.Error("who has it now:", now, err)
	}
}

// freeAgain makes a container that takes the address.
func (b *bench) freeAgain(ip netip.Addr) {
	b.t.Helper()
	c := b.container("")
	c.Name = "taker" + c.ID.Short()
	c.NICs[0].IPv4 = ip
	b.made(c)
}

func TestRestoreWithBefore(t *testing.T) {
	b, ctx := open(t), context.Background()
	quota(b, "default", inventory.QuotaMemory, int64(8*inventory.GiB))
	a := b.admission("container.create", nil, b.container("web1"))
	a.Reserve = &gate.Reservation{CPUs: 1.5, Memory: 2 * inventory.GiB}
	op := b.admit(a)
	b.end(gate.Ending{ID: op.ID})
	web1 := op.After

	after := web1.Clone()
	after.Name, after.NICs[0].IPv4, after.Settings["memory"] = "web2", netip.MustParseAddr("10.99.0.1"), "8GiB"
	a = b.admission("container.update", web1, after)
	a.Reserve = &gate.Reservation{CPUs: 1, Memory: 8 * inventory.GiB}
	op = b.admit(a)
	b.later(time.Minute)
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationFailed, Restore: true, Error: "no room", Kind: "quota",
		Deadlines: []inventory.Deadline{{Verb: "x", Container: web1.ID, Due: b.clock()}}})

	got, err := b.Container(ctx, inventory.Ref{Name: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	want := web1.Clone()
	want.Revision, want.UpdatedAt = 3, b.clock()
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	if used := b.used(inventory.QuotaMemory); used != int64(2*inventory.GiB) {
		t.Error("reserved after the restore:", inventory.Bytes(used))
	}
	b.freeAgain(netip.MustParseAddr("10.99.0.1"))
	held, _ := b.Addresses(ctx, store.AddressQuery{Container: web1.ID, Held: true})
	if len(held) != 2 || held[0].Name != "web1" {
		t.Error("held after the restore:", held)
	}
	history, _ := b.History(ctx, web1.ID)
	if len(history) != 3 || history[0].Reason != "undone: no room" || history[0].Container.Name != "web1" {
		t.Errorf("history: %+v", history)
	}
	if left, _ := b.Deadlines(ctx, store.DeadlineQuery{}); len(left) != 0 {
		t.Error("a failed operation left deadlines:", left)
	}
}

func (b *bench) used(quota string) int64 {
	b.t.Helper()
	all, err := b.Quotas(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, q := range all {
		if q.Name == quota {
			return q.Used
		}
	}
	b.t.Fatal("no quota", quota)
	return 0
}

func TestRestoreOfReservationAlone(t *testing.T) {
	b := open(t)
	quota(b, "default", inventory.QuotaDisk, int64(10*inventory.GiB))
	web1 := b.made(b.container("web1"))
	a := b.admission("container.grow", web1, nil)
	a.Reserve = &gate.Reservation{Disk: inventory.GiB}
	op := b.admit(a)
	if b.used(inventory.QuotaDisk) != int64(inventory.GiB) {
		t.Error("not reserved")
	}
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationFailed, Restore: true})
	if b.used(inventory.QuotaDisk) != 0 {
		t.Error("still reserved")
	}
	if c, err := b.Container(context.Background(), web1.Ref()); err != nil || c.Revision != 1 {
		t.Error(c, err)
	}
}

func TestRestoreWithoutBefore(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := b.container("web1")
	op := b.admit(b.admission("container.create", nil, c))
	b.later(time.Minute)
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationFailed, Restore: true, Error: "no"})
	if _, err := b.Container(ctx, inventory.Ref{Name: "web1"}); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	again := b.container("web1")
	again.IDBase, again.NICs = c.IDBase, c.NICs
	b.made(again)
	past, _ := b.Addresses(ctx, store.AddressQuery{IP: c.NICs[0].IPv4})
	if len(past) != 2 || past[1].Container != c.ID || past[1].To != b.clock() {
		t.Error("history of the address:", past)
	}
}

func TestRemove(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	for _, d := range []inventory.Deadline{{ID: "now", Due: b.clock()}, {ID: "later", Due: b.clock().Add(time.Hour)}} {
		d.Verb, d.Container = "container.purge", web1.ID
		if err := b.AddDeadline(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddSnapshot(ctx, inventory.Snapshot{Container: web1.ID, Name: "s1", CreatedAt: b.clock(), Config: web1}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []inventory.ContainerID{web1.ID, "another"} {
		if err := b.SaveForward(ctx, inventory.Forward{ID: "fwd-" + string(id), Protocol: inventory.TCP,
			Ports: inventory.PortRange{First: 80, Last: 80}, ToPort: 80, Container: id}); err != nil {
			t.Fatal(err)
		}
		if err := b.SaveFirewallRule(ctx, inventory.FirewallRule{ID: "fw-" + string(id), Action: inventory.FirewallAllow,
			From: inventory.Selector{Kind: inventory.SelectAny},
			To:   inventory.Selector{Kind: inventory.SelectContainer, Value: string(id)}}); err != nil {
			t.Fatal(err)
		}
	}
	op := b.admit(b.admission("container.purge", web1, nil))
	b.end(gate.Ending{ID: op.ID, Remove: true})

	if left, err := b.Forwards(ctx); err != nil || len(left) != 1 || left[0].Container != "another" {
		t.Error("forwards:", left, err)
	}
	if left, err := b.FirewallRules(ctx); err != nil || len(left) != 1 || left[0].To.Value != "another" {
		t.Error("rules:", left, err)
	}
	if _, err := b.Container(ctx, inventory.Ref{Name: string(web1.ID)}); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	if bases, err := b.IDBases(ctx); err != nil || len(bases) != 0 {
		t.Error(bases, err)
	}
	if left, err := b.Snapshots(ctx, web1.ID); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
	if history, err := b.History(ctx, web1.ID); err != nil || len(history) != 1 {
		t.Error("its history goes on:", history, err)
	}
	if past, err := b.Addresses(ctx, store.AddressQuery{Container: web1.ID}); err != nil || len(past) != 2 || past[0].To.IsZero() {
		t.Error(past, err)
	}
	if held, err := b.HeldAddresses(ctx, "lodge0"); err != nil || len(held) != 0 {
		t.Error(held, err)
	}
	waiting, err := b.Deadlines(ctx, store.DeadlineQuery{Waiting: true})
	if err != nil || len(waiting) != 1 || waiting[0].ID != "now" {
		t.Error("its runner still has to end it:", waiting, err)
	}
	if err := b.EndDeadline(ctx, "now", b.clock(), "done"); err != nil {
		t.Error(err)
	}
}

func TestDeadlinesReplaced(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1, web2 := b.made(b.container("web1")), b.made(b.container("web2"))
	deadline := func(verb string, c *inventory.Container, in time.Duration) inventory.Deadline {
		return inventory.Deadline{Due: b.clock().Add(in), Verb: verb, Container: c.ID, Args: []byte(`{"a":1}`),
			Principal: inventory.System("schedule"), Missed: inventory.MissedSkip, Reason: "r"}
	}
	for _, d := range []inventory.Deadline{deadline("a", web1, time.Hour), deadline("b", web1, 2*time.Hour), deadline("a", web2, 3*time.Hour)} {
		if err := b.AddDeadline(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	op := b.admit(b.admission("container.update", web1, nil))
	want := []inventory.Deadline{deadline("a", web1, 4*time.Hour), deadline("a", web1, 5*time.Hour)}
	b.end(gate.Ending{ID: op.ID, Deadlines: want, Supersedes: []string{"a"}})

	waiting, err := b.Deadlines(ctx, store.DeadlineQuery{Waiting: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range waiting {
		got = append(got, d.Verb+d.Due.Sub(b.clock()).String())
	}
	if diff := cmp.Diff([]string{"b2h0m0s", "a3h0m0s", "a4h0m0s", "a5h0m0s"}, got); diff != "" {
		t.Error(diff)
	}
	want[0].ID = waiting[2].ID
	if diff := cmp.Diff(want[0], waiting[2], same); diff != "" {
		t.Error(diff)
	}
	all, _ := b.Deadlines(ctx, store.DeadlineQuery{Container: web1.ID, Verb: "a"})
	if err := b.EndDeadline(ctx, all[0].ID, b.clock(), "done"); !errors.Is(err, inventory.ErrStale) || !strings.Contains(err.Error(), "replaced") {
		t.Error(err)
	}
}

func TestDue(t *testing.T) {
	b, ctx := open(t), context.Background()
	for i, in := range []time.Duration{3 * time.Hour, -time.Hour, 0, 2 * time.Hour} {
		d := inventory.Deadline{ID: inventory.DeadlineID(rune('a' + i)), Due: b.clock().Add(in), Verb: "v"}
		if err := b.AddDeadline(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	due, next, err := b.Due(ctx, b.clock())
	if err != nil || len(due) != 2 || due[0].ID != "b" || due[1].ID != "c" || next != b.clock().Add(2*time.Hour) {
		t.Error(due, next, err)
	}
	if err := b.EndDeadline(ctx, "b", b.clock(), "done"); err != nil {
		t.Error(err)
	}
	if err := b.EndDeadline(ctx, "b", b.clock(), "done"); !errors.Is(err, inventory.ErrStale) {
		t.Error(err)
	}
	if err := b.EndDeadline(ctx, "zz", b.clock(), "done"); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	if due, _, _ = b.Due(ctx, b.clock()); len(due) != 1 {
		t.Error(due)
	}
	if due, next, err = b.Due(ctx, b.clock().Add(24*time.Hour)); len(due) != 3 || !next.IsZero() || err != nil {
		t.Error(due, next, err)
	}
	b.later(time.Hour)
	if n, err := b.PruneDeadlines(ctx, b.clock()); n != 1 || err != nil {
		t.Error(n, err)
	}
}

func TestEndTwice(t *testing.T) {
	b, ctx := open(t), context.Background()
	op := b.admit(b.admission("container.create", nil, b.container("web1")))
	b.end(gate.Ending{ID: op.ID})
	before := b.dump()
	e := gate.Ending{ID: op.ID, State: inventory.OperationFailed, At: b.clock(), Restore: true}
	if err := b.End(ctx, e); !errors.Is(err, inventory.ErrState) {
		t.Error(err)
	}
	e.ID = "none"
	if err := b.End(ctx, e); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	for _, err := range []error{
		b.SaveStep(ctx, op.ID, inventory.OperationRunning, 1, nil), b.AskCancel(ctx, op.ID), b.SaveProgress(ctx, op.ID, 1, "x"),
	} {
		if !errors.Is(err, inventory.ErrState) {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(before, b.dump()); diff != "" {
		t.Error(diff)
	}
}

func TestEndTellsEverything(t *testing.T) {
	// A state that is no end may not slip in as one.
	b, ctx := open(t), context.Background()
	op := b.admit(b.admission("container.create", nil, b.container("web1")))
	if err := b.End(ctx, gate.Ending{ID: op.ID, State: inventory.OperationRunning, At: b.clock()}); err == nil {
		t.Error("an operation ended as running")
	}
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationCancelled, Error: "cancelled", Kind: "state"})
	got, err := b.Operation(ctx, op.ID)
	if err != nil || got.State != inventory.OperationCancelled || got.Error != "cancelled" || got.Kind != "state" {
		t.Error(got, err)
	}
}
