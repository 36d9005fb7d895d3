package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A full store has no room for the ends of operations until it was asked so often.
type full struct {
	gate.Store
	refusals atomic.Int32
}

func (s *full) End(ctx context.Context, e gate.Ending) error {
	if s.refusals.Add(-1) >= 0 {
		return errors.New("no space left on device")
	}
	return s.Store.End(ctx, e)
}

// with opens a gate over the bench's store, or another, with one verb more.
func (b *bench) with(s gate.Store, v gate.Verb) {
	b.Helper()
	v.Name, v.Right, v.Mode, v.Command = "container.test", inventory.RightManage, gate.ModeOperation, "test"
	g, err := gate.New(gate.Config{Host: b.host, Store: s, Journal: b.journal, Observer: stopped{}, Policy: b.policy,
		Rights: admins{}, Log: slog.New(slog.DiscardHandler), Now: b.clock.now}, append(b.verbs(), v)...)
	if err != nil {
		b.Fatal(err)
	}
	b.gate = g
}

func nothing(context.Context, *gate.Run) error { return nil }

func TestEndIsWrittenOnceThereIsRoom(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	s := &full{Store: b.store}
	s.refusals.Store(3)
	b.with(s, gate.Verb{Steps: []gate.Step{{Name: "one", Do: nothing}}})
	if op := b.do("container.test", "web1", nil); op.State != inventory.OperationDone {
		t.Errorf("operation: %s %q", op.State, op.Error)
	}
	if op := b.do("container.test", "web1", nil); op.State != inventory.OperationDone { // not busy any more
		t.Errorf("the next operation: %s %q", op.State, op.Error)
	}
}

func TestPanicFailsTheOperationAlone(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	undone := false
	b.with(b.store, gate.Verb{Steps: []gate.Step{
		{Name: "one", Do: nothing, Undo: func(context.Context, *gate.Run) error { undone = true; return nil }},
		{Name: "two", Do: func(context.Context, *gate.Run) error { panic("oops") }}}})
	op := b.do("container.test", "web1", nil)
	if op.State != inventory.OperationFailed || !strings.HasPrefix(op.Error, "internal error") || !undone {
		t.Errorf("operation: %s %q, undone: %v", op.State, op.Error, undone)
	}
}

// A purge that stopped halfway would leave a container in the trash with nothing in it.
func TestCancelComesTooLateForWhatIsFinished(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	entered, leave := make(chan struct{}), make(chan struct{})
	b.with(b.store, gate.Verb{Recovery: gate.RecoverFinish, Steps: []gate.Step{
		{Name: "one", Do: nothing},
		{Name: "two", Do: func(ctx context.Context, _ *gate.Run) error { close(entered); <-leave; return ctx.Err() }},
		{Name: "three", Do: func(ctx context.Context, _ *gate.Run) error { return ctx.Err() }}}})
	answer, err := b.begin(root, "container.test", "web1", nil)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := b.gate.Cancel(b.as(root), answer.Operation.ID); err != nil {
		t.Fatal(err)
	}
	close(leave)
	if op := b.wait(answer); op.State != inventory.OperationDone {
		t.Errorf("operation: %s %q", op.State, op.Error)
	}
}

func TestReasonIsOneLine(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	for _, verb := range []string{"container.update", "container.exec"} {
		r := gate.Request{Verb: verb, Ref: inventory.ParseRef("web1"), Reason: "fine\x1b[1A\x1b[2Kapproved by second"}
		_, err := b.gate.Begin(b.as(root), r)
		if verb == "container.exec" {
			_, err = b.gate.Enter(b.as(root), r)
		}
		if !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// A late store has an operation's row before its flight begins, and lets somebody look in between.
type late struct {
	gate.Store
	admitted chan inventory.OperationID
	looked   chan struct{}
	once     sync.Once
}

func (s *late) Admit(ctx context.Context, a gate.Admission) (inventory.Operation, bool, error) {
	op, again, err := s.Store.Admit(ctx, a)
	s.admitted <- op.ID
	<-s.looked
	return op, again, err
}

func (s *late) Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error) {
	defer s.once.Do(func() { close(s.looked) })
	return s.Store.Operation(ctx, id)
}

func TestWaitBetweenRowAndFlight(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	s := &late{Store: b.store, admitted: make(chan inventory.OperationID, 1), looked: make(chan struct{})}
	b.with(s, gate.Verb{Steps: []gate.Step{{Name: "one", Do: nothing}}})
	ended := make(chan inventory.OperationState)
	go func() {
		op, _ := b.gate.Wait(t.Context(), <-s.admitted)
		ended <- op.State
	}()
	b.do("container.test", "web1", nil)
	if state := <-ended; state != inventory.OperationDone {
		t.Errorf("waited for it until it was %s", state)
	}
}
