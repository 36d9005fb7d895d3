package audit_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

// host is where the records of a test are made: a clock that can be set, and one that can't.
type host struct {
	mu   sync.Mutex
	now  time.Time
	mono time.Duration
	boot string
}

// pass lets time go by.
func (h *host) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now, h.mono = h.now.Add(d), h.mono+d
}

// set sets the clock.
func (h *host) set(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *host) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *host) open(t *testing.T, dir string, heartbeat time.Duration) *audit.Journal {
	t.Helper()
	j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet, Now: h.clock, Heartbeat: heartbeat,
		Stamp: func(r *inventory.Record) { r.Boot, r.MonoNs = h.boot, int64(h.mono) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func add(t *testing.T, j *audit.Journal, records ...inventory.Record) {
	t.Helper()
	for _, r := range records {
		if _, err := j.Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPairs: what is unpaired is told: intents without an outcome, outcomes without an intent.
func TestPairs(t *testing.T) {
	intent := func(verb, operation, session string) inventory.Record {
		return inventory.Record{Kind: inventory.RecordIntent, Verb: verb, Operation: inventory.OperationID(operation), Session: inventory.SessionID(session)}
	}
	outcome := func(verb, operation, session string) inventory.Record {
		r := intent(verb, operation, session)
		r.Kind, r.Result = inventory.RecordOutcome, "done"
		return r
	}
	dir := t.TempDir()
	j := open(t, dir, 400)
	add(t, j,
		intent("container.start", "op1", ""),  // 1
		intent("container.exec", "", "s1"),    // 2
		intent("container.exec", "", "s2"),    // 3: still open
		intent("session.end", "", "s1"),       // 4
		intent("session.end", "", "s1"),       // 5: by somebody else, at once
		outcome("session.end", "", "s1"),      // 6
		outcome("container.exec", "", "s1"),   // 7
		outcome("session.end", "", "s1"),      // 8
		outcome("container.start", "op1", ""), // 9
		outcome("container.start", "op1", ""), // 10: once more after a crash
		outcome("container.stop", "op2", ""),  // 11: of nothing
		outcome("container.shell", "", "s2"),  // 12: of another verb
		intent("snapshot.create", "op3", ""),  // 13: still open
		inventory.Record{Kind: inventory.RecordFact, Verb: "agent.start"})
	r := verify(t, dir)
	if !slices.Equal(r.Open, []int64{3, 13}) || r.OpenCount != 2 {
		t.Errorf("open are %v", r.Open)
	}
	if !slices.Equal(r.Unannounced, []int64{11, 12}) || r.UnannouncedCount != 2 || r.ExitCode() != 0 {
		t.Errorf("unannounced are %v, exit %d", r.Unannounced, r.ExitCode())
	}
	if text := strings.Join(r.Remarks(), "\n"); !strings.Contains(text, "2 intents have no outcome yet, the first in record 3") ||
		!strings.Contains(text, "2 outcomes have no intent, the first in record 11") {
		t.Errorf("it is told as %s", text)
	}
}

// TestClockIsSet: whatever the host's clock does, records stay in order, the journal verifies, and the
// jump is told; a clock that was set forward is no time without an agent.
func TestClockIsSet(t *testing.T) {
	h := &host{now: start, mono: time.Hour, boot: "one"}
	dir := t.TempDir()
	j := h.open(t, dir, 0)
	next := func(d time.Duration) {
		h.pass(d)
		add(t, j, inventory.Record{Kind: inventory.RecordFact, Verb: "x"})
	}
	next(time.Second) // 1
	next(5 * time.Minute)
	h.set(-26 * time.Hour)
	next(time.Second)    // 3
	next(12 * time.Hour) // 4, after a real pause
	h.set(400 * 24 * time.Hour)
	next(time.Minute) // 5
	h.pass(time.Minute)
	early := inventory.Record{At: h.clock().Add(-50 * time.Second), Kind: inventory.RecordFact, Verb: "counted"}
	add(t, j, early) // 6 tells of an earlier time, and is no jump
	next(time.Second)
	j.Close()
	h.boot, h.mono = "two", time.Second
	h.set(3 * time.Hour)
	j = h.open(t, dir, 0)
	next(time.Second) // 8, after the host was off for three hours
	got, err := j.Records(context.Background(), audit.Query{})
	if err != nil || len(got) != 8 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, e := range got {
		if e.Seq != int64(i+1) {
			t.Errorf("record %d stands in place %d", e.Seq, i+1)
		}
	}
	r := verify(t, dir)
	want := []string{"set back by 26h0m0s before record 3", "set forward by 9600h0m0s before record 5"}
	if r.ExitCode() != 0 || len(r.Notes) != 2 || !strings.Contains(r.Notes[0], want[0]) || !strings.Contains(r.Notes[1], want[1]) {
		t.Errorf("exit %d, notes %q", r.ExitCode(), r.Notes)
	}
	if len(r.Gaps) != 2 || r.Gaps[0].After != 3 || r.Gaps[1].After != 7 {
		t.Errorf("gaps are %+v", r.Gaps)
	}
	from, to := start.Add(-26*time.Hour), start.Add(10*24*time.Hour)
	found, err := j.Records(context.Background(), audit.Query{From: from, To: to})
	if err != nil || len(found) != 4 {
		t.Errorf("%d records of a time that came twice, %v", len(found), err)
	}
}

// TestClockIsSetWhileNothingHappens: the checkpoint that shows it is a heartbeat, which says nothing of
// the clock; the record after it does.
func TestClockIsSetWhileNothingHappens(t *testing.T) {
	h := &host{now: start, mono: time.Hour, boot: "one"}
	dir := t.TempDir()
	j := h.open(t, dir, time.Millisecond)
	add(t, j, inventory.Record{Kind: inventory.RecordFact, Verb: "x"})
	last := j.Latest()
	h.set(2 * time.Hour)
	if _, err := j.NextCheckpoint(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir); len(r.Gaps) != 1 {
		t.Errorf("before a record explains it: %+v", r.Gaps)
	}
	add(t, j, inventory.Record{Kind: inventory.RecordFact, Verb: "x"})
	if r := verify(t, dir); r.ExitCode() != 0 || len(r.Gaps) != 0 || len(r.Notes) != 1 {
		t.Errorf("exit %d, gaps %+v, notes %q", r.ExitCode(), r.Gaps, r.Notes)
	}
}
