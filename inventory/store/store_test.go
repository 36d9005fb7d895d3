package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// A bench is a store on a disk of its own with one host, and makers of things to put in.
type bench struct {
	*store.Store
	t    testing.TB
	path string
	host inventory.HostID
	now  *atomic.Int64 // unix seconds of the injected clock
	n    atomic.Int64
}

func open(t testing.TB) *bench {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "lodge.db"))
}

func openAt(t testing.TB, path string) *bench {
	t.Helper()
	b := &bench{t: t, path: path, now: new(atomic.Int64)}
	b.now.Store(1_780_000_000)
	s, err := store.Open(context.Background(), b.config())
	if err != nil {
		t.Fatal(err)
	}
	b.Store = s
	t.Cleanup(func() { s.Close() })
	host, err := s.EnsureHost(context.Background(), "machine-1", "host1")
	if err != nil {
		t.Fatal(err)
	}
	b.host = host.ID
	return b
}

func (b *bench) config() store.Config {
	return store.Config{Path: b.path, Log: slog.New(slog.DiscardHandler), Now: b.clock}
}

func (b *bench) clock() time.Time { return time.Unix(b.now.Load(), 0).UTC() }

func (b *bench) later(d time.Duration) { b.now.Add(int64(d / time.Second)) }

func (b *bench) container(name string) *inventory.Container {
	n := b.n.Add(1)
	return &inventory.Container{
		ID: inventory.ContainerID(inventory.NewID(b.clock())), HostID: b.host, Name: name, Project: "default",
		Owner: "alice", Purpose: "tests", Environment: "dev", DataClass: "internal",
		Labels: map[string]string{"team": "a<b>&c"}, Ticket: "T-1", Image: "debian/12", ImageDigest: "sha256:00",
		Pool: "default", Settings: map[string]string{"memory": "1GiB"}, IDBase: uint32(1_000_000 + n*65536),
		NICs: []inventory.NIC{{Network: "lodge0", Name: "eth0", MAC: "02:00:00:00:00:01",
			IPv4: netip.AddrFrom4([4]byte{10, 86, byte(n >> 8), byte(n)}),
			IPv6: netip.MustParseAddr(fmt.Sprintf("fd4c::%x", n))}},
		After: []string{"db1"}, Intent: inventory.IntentRun, ExpiresAt: b.clock().Add(time.Hour),
	}
}

func (b *bench) operation(verb string, c *inventory.Container) inventory.Operation {
	return inventory.Operation{
		ID: inventory.OperationID(inventory.NewID(b.clock())), HostID: b.host, Verb: verb,
		Subject: "container:" + string(c.ID), Container: c.ID, Name: c.Name, Project: c.Project,
		Principal: inventory.Principal{Name: "alice", Kind: inventory.KindPerson, Proof: "peer uid 0"},
		Reason:    "because", Ticket: "T-1", State: inventory.OperationRunning, Steps: []string{"a", "b"},
		Percent: -1, Args: []byte(`{"a":"<b>"}`), Plan: "digest", StartedAt: b.clock(), UpdatedAt: b.clock(),
	}
}

func (b *bench) admission(verb string, before, after *inventory.Container) gate.Admission {
	about := before
	if about == nil {
		about = after
	}
	return gate.Admission{Operation: b.operation(verb, about), Exclusive: true, Before: before, After: after}
}

func (b *bench) admit(a gate.Admission) inventory.Operation {
	b.t.Helper()
	op, _, err := b.Admit(context.Background(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	return op
}

func (b *bench) end(e gate.Ending) {
	b.t.Helper()
	if e.State == "" {
		e.State = inventory.OperationDone
	}
	if e.At.IsZero() {
		e.At = b.clock()
	}
	if err := b.End(context.Background(), e); err != nil {
		b.t.Fatal(err)
	}
}

// made admits and ends a create.
func (b *bench) made(c *inventory.Container) *inventory.Container {
	b.t.Helper()
	return b.do("container.create", nil, c)
}

// do admits and ends an operation and returns the state after it.
func (b *bench) do(verb string, before, after *inventory.Container) *inventory.Container {
	b.t.Helper()
	op := b.admit(b.admission(verb, before, after))
	b.end(gate.Ending{ID: op.ID})
	return op.After
}
