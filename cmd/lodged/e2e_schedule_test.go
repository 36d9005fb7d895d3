package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// night sets the clock and lets what is due then happen.
func (l *schooled) night(at time.Time) {
	l.t.Helper()
	l.clock.to(l.t, at.Format(time.RFC3339))
	for range 3 { // what is due is planned, run, and judged
		l.must(l.agent.schedules.Tend(context.Background()))
		l.agent.gate.RunDue(context.Background())
		l.settle()
	}
}

// kept are the names of a container's snapshots, each with why it is there.
func (l *schooled) kept(name string) string {
	l.t.Helper()
	var all []string
	for _, s := range l.snapshots(name) {
		all = append(all, strings.TrimSpace(s.Name+" "+s.Why))
	}
	return strings.Join(all, "\n")
}

func (l *schooled) runs(name string) (outcomes []string) {
	l.t.Helper()
	all, err := l.api.SnapshotRuns(context.Background(), at(name))
	l.must(err)
	for _, r := range all {
		outcomes = append(outcomes, r.Due.Format("01-02 15:04 ")+r.Outcome)
	}
	return outcomes
}

// TestSnapshotSchedule: three weeks of nights leave what the numbers say, with reasons; what was taken
// by hand and what is pinned stays; a run that fails hurts neither the next nor other containers; what
// the agent was away for is run once.
func TestSnapshotSchedule(t *testing.T) {
	l := school(t, "2027-02-01T12:00:00Z") // a Monday
	l.do(l.create(sized("lt-web", "snapshot.schedule", "daily 02:00"), false))
	l.do(l.create(sized("lt-db", "snapshot.schedule", "daily 02:00 spread 20m"), false))
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"snapshot.keep": "3d 2w"}}))
	l.do(l.updating("lt-db", inventory.UpdateArgs{Settings: map[string]string{"snapshot.keep": "2"}}))
	byHand := func(c, name string) {
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateSnapshot(ctx, at(c), inventory.SnapshotArgs{Name: name}, client.Options{})
		})
	}
	byHand("lt-web", "by-hand")
	byHand("lt-db", "auto-20270205-020000") // in the way of a Friday's

	first := time.Date(2027, 2, 1, 12, 0, 0, 0, time.UTC)
	l.night(first)
	for n := range 20 {
		l.night(first.AddDate(0, 0, n).Add(14*time.Hour + 25*time.Minute))
	}
	want := `by-hand
auto-20270207-020000 weekly 2 of 2: 2027-W05
auto-20270214-020000 weekly 1 of 2: 2027-W06
auto-20270219-020000 daily 3 of 3: 2027-02-19
auto-20270220-020000 daily 2 of 3: 2027-02-20
auto-20270221-020000 daily 1 of 3: 2027-02-21`
	if got := l.kept("lt-web"); got != want {
		t.Errorf("lt-web has\n%s\nnot\n%s", got, want)
	}
	if got := l.kept("lt-db"); got != "auto-20270205-020000\nauto-20270220-020000 last 2 of 2\nauto-20270221-020000 last 1 of 2" {
		t.Errorf("lt-db has\n%s", got)
	}
	runs := l.runs("lt-web")
	if len(runs) != 21 || runs[0] != "02-22 02:00 waits" || runs[1] != "02-21 02:00 done" {
		t.Errorf("its runs are %q", runs)
	}
	failed := 0
	for _, r := range l.runs("lt-db") {
		if strings.HasPrefix(r, "02-05 02:") && strings.Contains(r, "failed: lt-db has a snapshot auto-20270205-020000 already") {
			failed++
		} else if strings.Contains(r, "failed") {
			t.Errorf("it failed: %s", r)
		}
	}
	if failed != 1 {
		t.Errorf("the run in whose way something was is told %d times: %q", failed, l.runs("lt-db"))
	}
	op := l.newest("snapshot.delete")
	if op.Principal.Name != "snapshot.schedule" || !strings.HasPrefix(op.Reason, "keep ") || !strings.Contains(op.Reason, "older than what is kept") {
		t.Errorf("the last removal is by %s: %s", op.Principal.Name, op.Reason)
	}

	if out, code := l.lodge("snapshot", "list", "lt-web", "--keep", "1d"); code != 0 || strings.Count(out, "no: older than what is kept") != 4 ||
		!strings.Contains(out, "daily 1 of 1: 2027-02-21") {
		t.Errorf("what 1d would keep: %d\n%s", code, out)
	}
	if out, code := l.lodge("snapshot", "list", "lt-web", "--keep", "1z"); code == 0 || !strings.Contains(out, `"1z" is nothing to keep`) {
		t.Errorf("what 1z would keep: %d\n%s", code, out)
	}
	if out, code := l.lodge("snapshot", "runs", "lt-web"); code != 0 || strings.Count(out, "done") != 20 {
		t.Errorf("lodge snapshot runs: %d\n%s", code, out)
	}
	if out, code := l.lodge("set", "lt-web", "snapshot.schedule=sometimes"); code == 0 || !strings.Contains(out, "write it like") {
		t.Errorf("a schedule that is none: %d\n%s", code, out)
	}
	l.missed(first.AddDate(0, 0, 20))
	l.checkClean()
}

// missed: the agent is away for five nights, the clock is put back, a container goes to the trash.
func (l *schooled) missed(day time.Time) {
	l.t.Helper()
	l.end()
	away := day.AddDate(0, 0, 5)
	l.clock.to(l.t, away.Format(time.RFC3339))
	l.agent, l.end = l.inProcess(l.clock)
	l.night(away)
	if runs := l.runs("lt-web"); len(runs) != 22 || runs[1] != "02-22 02:00 done" || runs[0] != "02-27 02:00 waits" {
		l.t.Errorf("after five nights away its runs are %q", runs[:3])
	}
	l.night(away.Add(14*time.Hour + time.Minute))
	done := fmt.Sprint(l.runs("lt-web")[1:])
	l.night(away.Add(13*time.Hour + 59*time.Minute))
	if runs := l.runs("lt-web"); fmt.Sprint(runs[1:]) != done || runs[0] != "02-28 02:00 waits" {
		l.t.Errorf("the clock was put back by two minutes, and %q came after %q", runs[0], done)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Delete(ctx, at("lt-web"), false, client.Options{})
	})
	l.night(away.AddDate(0, 0, 2))
	taken := len(l.operations("snapshot.create"))
	l.night(away.AddDate(0, 0, 3))
	if n := len(l.operations("snapshot.create")); n != taken+1 {
		l.t.Errorf("a night with one of two in the trash took %d snapshots", n-taken)
	}
}
