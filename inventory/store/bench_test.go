package store_test

import (
	"context"
	"fmt"
	"testing"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// The temporary folder decides what these measure: on tmpfs an fsync is free.

func BenchmarkAdmitStop(b *testing.B) {
	s, ctx := open(b), context.Background()
	all := make([]*inventory.Container, b.N)
	for i := range all {
		all[i] = s.made(s.container(fmt.Sprint("c", i)))
	}
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := s.Admit(ctx, s.admission("container.stop", all[i], nil)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdmitCreate(b *testing.B) {
	s, ctx := open(b), context.Background()
	for i := range b.N {
		a := s.admission("container.create", nil, s.container(fmt.Sprint("c", i)))
		a.Reserve = &gate.Reservation{CPUs: 1, Memory: inventory.GiB, Disk: inventory.GiB}
		op, _, err := s.Admit(ctx, a)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.end(gate.Ending{ID: op.ID})
		b.StartTimer()
	}
}

func BenchmarkSaveStep(b *testing.B) {
	s, ctx := open(b), context.Background()
	op := s.admit(s.admission("container.create", nil, s.container("web1")))
	// SQLite writes no page whose bytes stay the same, so they have to change.
	for i := 0; b.Loop(); i++ {
		if err := s.SaveStep(ctx, op.ID, inventory.OperationRunning, i, []byte(`{"a":1}`)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSaveProgress(b *testing.B) {
	s, ctx := open(b), context.Background()
	op := s.admit(s.admission("container.create", nil, s.container("web1")))
	for i := 0; b.Loop(); i++ {
		if err := s.SaveProgress(ctx, op.ID, i, "x"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnd(b *testing.B) {
	s, ctx := open(b), context.Background()
	web1 := s.made(s.container("web1"))
	for b.Loop() {
		b.StopTimer()
		op := s.admit(s.admission("container.stop", web1, nil))
		b.StartTimer()
		if err := s.End(ctx, gate.Ending{ID: op.ID, State: inventory.OperationDone, At: s.clock()}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContainers200(b *testing.B) {
	s, ctx := open(b), context.Background()
	for i := range 200 {
		s.made(s.container(fmt.Sprint("c", i)))
	}
	for b.Loop() {
		if all, err := s.Containers(ctx, store.ContainerQuery{}); err != nil || len(all) != 200 {
			b.Fatal(err)
		}
	}
}

func BenchmarkContainer(b *testing.B) {
	s, ctx := open(b), context.Background()
	web1 := s.made(s.container("web1"))
	for b.Loop() {
		if _, err := s.Container(ctx, web1.Ref()); err != nil {
			b.Fatal(err)
		}
	}
}
