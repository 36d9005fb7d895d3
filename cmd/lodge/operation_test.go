package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

// running starts a stop of web1 that goes on until it is released, and returns what came of it:
// exit code, output, errors.
func running(t *testing.T, ctx context.Context, args ...string) (a *fakeAgent, ended <-chan [3]string) {
	t.Helper()
	a = newAgent(t)
	a.world.Slow = make(chan struct{})
	a.world.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan [3]string, 1)
	go func() {
		code, out, errs := a.lodge(ctx, append([]string{"stop", "web1"}, args...)...)
		done <- [3]string{fmt.Sprint(code), out, errs}
	}()
	a.running()
	return a, done
}

// TestInterrupt: Ctrl-C cancels the operation and says what state things are in.
func TestInterrupt(t *testing.T) {
	for _, wait := range []time.Duration{0, 500 * time.Millisecond} { // within the first request, and after it
		ctx, cancel := context.WithCancel(context.Background())
		a, ended := running(t, ctx)
		time.Sleep(wait)
		cancel()
		got := <-ended
		if !strings.Contains(got[2], "cancelling container.stop of web1") || !strings.Contains(got[2], "container.stop of web1 was cancelled; everything is as before") {
			t.Errorf("it said %q", got[2])
		}
		if got[0] != "130" {
			t.Errorf("exit code %s", got[0])
		}
		if code, out, _ := a.lodge(context.Background(), "operation", "list", "-o", "csv"); code != 0 || !strings.Contains(out, "container.stop,web1,cancelled") {
			t.Errorf("the operations are %d %s", code, out)
		}
	}
}

// TestInterruptMany: what is not begun yet is left alone.
func TestInterruptMany(t *testing.T) {
	a := newAgent(t)
	a.world.Slow = make(chan struct{})
	a.world.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	a.world.Add(inventory.Container{Name: "web2"}, inventory.StateRunning)
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { a.running(); cancel() }()
	if code, _, errs := a.lodge(ctx, "stop", "web1", "web2"); code != inventory.ExitInterrupted {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// TestTimeout: --timeout ends the waiting, not the operation.
func TestTimeout(t *testing.T) {
	a := newAgent(t)
	a.world.Slow = make(chan struct{})
	a.world.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	code, _, errs := a.lodge(context.Background(), "freeze", "web1", "--timeout", "10ms")
	if code != inventory.ExitFailure || !strings.Contains(errs, "goes on after 10ms; 'lodge operation wait ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if op := a.running(); op.Verb != "container.freeze" {
		t.Errorf("%s runs", op.Verb)
	}
	close(a.world.Slow)
}

// TestAgentRestarts: a command waits for an agent that goes away under its operation, and the next
// agent tells how it ended.
func TestAgentRestarts(t *testing.T) {
	a, ended := running(t, context.Background())
	a.stop()
	time.Sleep(400 * time.Millisecond)
	close(a.world.Slow)
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	got := <-ended
	if got[0] != "0" || got[1] != "web1 is stopped\n" {
		t.Errorf("exit code %s, said %q and %q", got[0], got[1], got[2])
	}
	all, err := a.config.Reads.Operations(context.Background(), operationsOf("container.stop"))
	if err != nil || len(all) != 1 {
		t.Errorf("%d operations, %v; the one that was begun has to be found again", len(all), err)
	}
}

// TestProgressLines: in a pipe progress is plain lines, none of them twice.
func TestProgressLines(t *testing.T) {
	a, ended := running(t, context.Background())
	time.Sleep(inline + 1300*time.Millisecond) // the request's own wait, and one interval of following
	close(a.world.Slow)
	if got := <-ended; strings.Count(got[2], "web1: half of it\n") != 1 {
		t.Errorf("it said %q", got[2])
	}
}
