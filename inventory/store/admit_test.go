package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lodge/inventory"
	"lodge/manager/gate"
)

var same = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(inventory.NIC{})}

func TestCreateRoundTrip(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := b.container("web1")
	op := b.admit(b.admission("container.create", nil, c))

	want := c.Clone()
	want.Revision, want.CreatedAt, want.UpdatedAt = 1, b.clock(), b.clock()
	if diff := cmp.Diff(want, op.After, same); diff != "" {
		t.Error("operation's after:", diff)
	}
	if c.Revision != 0 {
		t.Error("the caller's container was written to")
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

// admitRefusals are admissions that ask for what can't be; each must leave no trace.
var admitRefusals = []struct {
	name string
	kind error
	text string
	ask  func(b *bench, web1 *inventory.Container) gate.Admission
}{
	{"subject busy", inventory.ErrBusy, "web1 is busy: container.stop by alice", func(b *bench, web1 *inventory.Container) gate.Admission {
		b.admit(b.admission("container.stop", web1, nil))
		return b.admission("container.start", web1, nil)
	}},
	{"subject busy, shared asks", inventory.ErrBusy, "web1 is busy", func(b *bench, web1 *inventory.Container) gate.Admission {
		b.admit(b.admission("container.stop", web1, nil))
		a := b.admission("container.look", web1, nil)
		a.Exclusive = false
		return a
	}},
	{"shared runs, exclusive asks", inventory.ErrBusy, "web1 is busy", func(b *bench, web1 *inventory.Container) gate.Admission {
		a := b.admission("container.look", web1, nil)
		a.Exclusive = false
		b.admit(a)
		return b.admission("container.stop", web1, nil)
	}},
	{"revision moved on", inventory.ErrStale, "web1 changed meanwhile: it is at revision 2, not 1", func(b *bench, web1 *inventory.Container) gate.Admission {
		b.do("container.update", web1, web1.Clone())
		return b.admission("container.stop", web1, nil)
	}},
	{"container gone", inventory.ErrNotFound, "there is no container web1 any more", func(b *bench, web1 *inventory.Container) gate.Admission {
		op := b.admit(b.admission("container.purge", web1, nil))
		b.end(gate.Ending{ID: op.ID, Remove: true})
		return b.admission("container.stop", web1, nil)
	}},
	{"name taken", inventory.ErrExists, "web1 exists already; choose another name", func(b *bench, web1 *inventory.Container) gate.Admission {
		return b.admission("container.create", nil, b.container("web1"))
	}},
	{"name taken by rename", inventory.ErrExists, "web1 exists already", func(b *bench, web1 *inventory.Container) gate.Admission {
		web2 := b.made(b.container("web2"))
		after := web2.Clone()
		after.Name = "web1"
		return b.admission("container.rename", web2, after)
	}},
	{"name in the trash", inventory.ErrExists, "in the trash", func(b *bench, web1 *inventory.Container) gate.Admission {
		after := web1.Clone()
		after.TrashedAt = b.clock()
		b.do("container.delete", web1, after)
		return b.admission("container.create", nil, b.container("web1"))
	}},
	{"name of a container being renamed", inventory.ErrExists, "web1 is being renamed", func(b *bench, web1 *inventory.Container) gate.Admission {
		after := web1.Clone()
		after.Name = "web9"
		b.admit(b.admission("container.rename", web1, after))
		return b.admission("container.create", nil, b.container("web1"))
	}},
	{"address held", inventory.ErrExists, "web1 holds it on network lodge0", func(b *bench, web1 *inventory.Container) gate.Admission {
		c := b.container("web2")
		c.NICs[0].IPv4 = web1.NICs[0].IPv4
		return b.admission("container.create", nil, c)
	}},
	{"address being given up", inventory.ErrExists, "web1 holds it", func(b *bench, web1 *inventory.Container) gate.Admission {
		after := web1.Clone()
		after.NICs[0].IPv4 = netip.MustParseAddr("10.99.0.1")
		b.admit(b.admission("container.update", web1, after))
		c := b.container("web2")
		c.NICs[0].IPv4 = web1.NICs[0].IPv4
		return b.admission("container.create", nil, c)
	}},
	{"id range taken", inventory.ErrExists, "web1 has it", func(b *bench, web1 *inventory.Container) gate.Admission {
		c := b.container("web2")
		c.IDBase = web1.IDBase
		return b.admission("container.create", nil, c)
	}},
	{"quota", inventory.ErrQuota, "project default may use 8GiB memory, 7GiB is taken and web2 asks for 2GiB", func(b *bench, web1 *inventory.Container) gate.Admission {
		quota(b, "default", inventory.QuotaMemory, int64(8*inventory.GiB))
		a := b.admission("container.update", web1, web1.Clone())
		a.Reserve = &gate.Reservation{Memory: 7 * inventory.GiB}
		b.admit(a)
		a = b.admission("container.create", nil, b.container("web2"))
		a.Reserve = &gate.Reservation{Memory: 2 * inventory.GiB}
		return a
	}},
	{"key of another container", inventory.ErrInvalid, `"k1" was used for web1`, func(b *bench, web1 *inventory.Container) gate.Admission {
		a := b.admission("container.stop", web1, nil)
		a.Operation.Key = "k1"
		b.admit(a)
		a = b.admission("container.stop", b.made(b.container("web2")), nil)
		a.Operation.Key = "k1"
		return a
	}},
}

func TestAdmitRefusals(t *testing.T) {
	for _, tc := range admitRefusals {
		t.Run(tc.name, func(t *testing.T) {
			b, ctx := open(t), context.Background()
			a := tc.ask(b, b.made(b.container("web1")))
			before := b.dump()
			_, again, err := b.Admit(ctx, a)
			if !errors.Is(err, tc.kind) || again || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("again %v, error %v", again, err)
			}
			if diff := cmp.Diff(before, b.dump()); diff != "" {
				t.Error("a refusal left traces:", diff)
			}
		})
	}
}

func quota(b *bench, project, name string, max int64) {
	b.t.Helper()
	if err := b.SetQuotas(context.Background(), inventory.QuotaHolder{Project: project}, map[string]int64{name: max}); err != nil {
		b.t.Fatal(err)
	}
}

func TestKeyRepeats(t *testing.T) {
	b, ctx := open(t), context.Background()
	a := b.admission("container.create", nil, b.container("web1"))
	a.Operation.Key = "k1"
	first := b.admit(a)
	b.end(gate.Ending{ID: first.ID})

	repeat := func(change func(*gate.Admission)) (inventory.Operation, bool, error) {
		a := b.admission("container.create", nil, b.container("web1"))
		a.Operation.Key = "k1"
		change(&a)
		return b.Admit(ctx, a)
	}
	op, again, err := repeat(func(*gate.Admission) {})
	if err != nil || !again || op.ID != first.ID || op.State != inventory.OperationDone {
		t.Errorf("same key: %v %v %v", op.ID, again, err)
	}
	for what, change := range map[string]func(*gate.Admission){
		"another principal": func(a *gate.Admission) { a.Operation.Principal.Name = "bob" },
		"another verb":      func(a *gate.Admission) { a.Operation.Verb = "container.launch" },
	} {
		if _, again, err := repeat(change); again || !errors.Is(err, inventory.ErrExists) {
			t.Errorf("%s: %v %v", what, again, err)
		}
	}
	b.later(24*time.Hour - time.Second)
	if op, again, err := repeat(func(*gate.Admission) {}); err != nil || !again || op.ID != first.ID {
		t.Errorf("a second before 24 h: %v %v", again, err)
	}
	b.later(time.Second)
	if _, again, err := repeat(func(*gate.Admission) {}); again || !errors.Is(err, inventory.ErrExists) {
		t.Errorf("after 24 h: %v %v", again, err)
	}
	op, again, err = repeat(func(a *gate.Admission) { a.After = b.container("web2") })
	if err != nil || again || op.ID == first.ID {
		t.Errorf("the key is free after 24 h: %v %v", again, err)
	}
}

// Exactly one of many wins, and the losers leave nothing.
func TestAdmitRaces(t *testing.T) {
	const many = 64
	for _, tc := range []struct {
		name string
		kind error
		ask  func(b *bench, web1 *inventory.Container) gate.Admission
	}{
		{"name", inventory.ErrExists, func(b *bench, _ *inventory.Container) gate.Admission {
			return b.admission("container.create", nil, b.container("new"))
		}},
		{"address", inventory.ErrExists, func(b *bench, _ *inventory.Container) gate.Admission {
			c := b.container("")
			c.Name = "n" + c.ID.Short()
			c.NICs[0].IPv4 = netip.MustParseAddr("10.99.0.7")
			return b.admission("container.create", nil, c)
		}},
		{"id range", inventory.ErrExists, func(b *bench, _ *inventory.Container) gate.Admission {
			c := b.container("")
			c.Name, c.IDBase = "n"+c.ID.Short(), 77*65536
			return b.admission("container.create", nil, c)
		}},
		{"subject", inventory.ErrBusy, func(b *bench, web1 *inventory.Container) gate.Admission {
			return b.admission("container.stop", web1, nil)
		}},
		{"quota", inventory.ErrQuota, func(b *bench, _ *inventory.Container) gate.Admission {
			c := b.container("")
			c.Name = "n" + c.ID.Short()
			a := b.admission("container.create", nil, c)
			a.Reserve = &gate.Reservation{CPUs: 0.6}
			return a
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t)
			quota(b, "default", inventory.QuotaCPUs, 1000)
			web1 := b.made(b.container("web1"))
			asks := make([]gate.Admission, many)
			for i := range asks {
				asks[i] = tc.ask(b, web1)
			}
			errs := make([]error, many)
			var all sync.WaitGroup
			for i := range asks {
				all.Go(func() { _, _, errs[i] = b.Admit(context.Background(), asks[i]) })
			}
			all.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else if !errors.Is(err, tc.kind) {
					t.Error(err)
				}
			}
			ops, err := b.Unfinished(context.Background(), b.host)
			if won != 1 || err != nil || len(ops) != 1 {
				t.Errorf("%d won, %d operations, %v", won, len(ops), err)
			}
			b.checkEvents()
		})
	}
}

// The same key from many callers makes one operation, and all get it.
func TestKeyRace(t *testing.T) {
	b := open(t)
	ids := make([]inventory.OperationID, 32)
	var all sync.WaitGroup
	for i := range ids {
		a := b.admission("container.create", nil, b.container("web1"))
		a.Operation.Key = "k"
		all.Go(func() {
			op, _, err := b.Admit(context.Background(), a)
			if err != nil {
				t.Error(err)
			}
			ids[i] = op.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatal("two operations for one key:", ids)
		}
	}
}
