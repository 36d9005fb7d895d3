package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// A lent lab has an agent of this process, whose clock is set, and looks at the leases.
type lent struct{ *schooled }

// at sets the clock and lets leases and what is due follow.
func (l lent) at(text string) {
	l.t.Helper()
	l.clock.to(l.t, text)
	l.look()
}

func (l lent) look() {
	l.t.Helper()
	for range 2 {
		l.must(l.agent.leases.Look(context.Background()))
		l.agent.gate.RunDue(context.Background())
		l.settle()
	}
}

// away ends the agent until then.
func (l lent) away(until string) {
	l.t.Helper()
	l.end()
	l.clock.to(l.t, until)
	l.agent, l.end = l.inProcess(l.clock)
	l.look()
}

// warnings are the events that a lease has made, the oldest first.
func (l lent) warnings() (out []string) {
	l.t.Helper()
	all, err := l.agent.store.Events(context.Background(), 0, 10000)
	l.must(err)
	for _, e := range all {
		if e.Type == "lease.warning" {
			var d struct{ Clock, Left string }
			l.must(json.Unmarshal(e.Data, &d))
			out = append(out, e.Name+" "+d.Clock+" "+d.Left)
		}
	}
	return out
}

// waiting are the deadlines of leases.
func (l lent) waiting() string {
	l.t.Helper()
	all, err := l.agent.store.AllWaiting(context.Background(), inventory.LeasePrincipal)
	l.must(err)
	var out []string
	for _, d := range all {
		out = append(out, d.Verb+" "+d.Due.Format("01-02T15:04:05"))
	}
	return strings.Join(out, ", ")
}

func (l lent) is(what, state string, stops, deletes int) {
	l.t.Helper()
	c := l.container("lt-web")
	have := string(c.State)
	if !c.TrashedAt.IsZero() {
		have = "trashed"
	}
	if s, d := len(l.operations("container.stop")), len(l.operations("container.delete")); have != state || s != stops || d != deletes {
		l.t.Errorf("%s: it is %s after %d stops and %d deletes; want %s, %d, %d", what, have, s, d, state, stops, deletes)
	}
}

func (l lent) wait(want string) {
	l.t.Helper()
	if got := l.waiting(); got != want {
		l.t.Errorf("due are %q, want %q", got, want)
	}
}

// TestLeases: a lease warns, stops, and deletes, once each, whatever the clock and the agent do
// meanwhile; extended it goes on, and what comes back from the trash after it gets some time.
func TestLeases(t *testing.T) {
	l := lent{school(t, "2027-03-01T12:00:00Z")}
	l.run("launch", "tiny", "lt-web", "--purpose", "a trial", "--set", "memory=64MiB", "--set", "disk=64MiB", "--set", "stop.timeout=5s",
		"--run-for", "2027-03-11T12:00:00Z", "--expires", "2027-03-31T12:00:00Z")
	l.look()
	l.wait("container.stop 03-11T12:00:00, container.delete 03-31T12:00:00")
	l.at("2027-03-04T13:00:00Z")
	l.look()
	if got := l.warnings(); len(got) != 1 || !strings.HasPrefix(got[0], "lt-web run 6d22h59m") {
		t.Errorf("warnings %v", got)
	}
	if c := l.container("lt-web"); !c.Observed.LeaseWarned {
		t.Error("the list does not tell of the warning")
	}
	l.run("lease", "extend", "lt-web", "--run-until", "2d", "--reason", "the trial goes on")
	l.wait("container.stop 03-13T12:00:00, container.delete 03-31T12:00:00")
	if h, err := l.agent.store.History(context.Background(), l.container("lt-web").ID); err != nil || h[0].Verb != "lease.extend" || h[0].Reason != "the trial goes on" {
		t.Errorf("the history has %+v %v", h[0], err)
	}
	l.at("2027-03-12T13:00:00Z") // both warnings have passed since: one is given
	if got := l.warnings(); len(got) != 2 || !strings.HasPrefix(got[1], "lt-web run 22h59m") {
		t.Errorf("warnings %v", got)
	}
	l.at("2027-03-13T12:00:01Z")
	l.is("the run lease has ended", "stopped", 1, 0)
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "container.stop", Name: "lt-web"})
	l.must(err)
	if len(page.Items) != 2 || page.Items[0].Principal.Name != "lease" || page.Items[1].Reason != "its run lease ended" {
		t.Errorf("the journal has the stop as %+v", page.Items)
	}
	if out, code := l.lodge("start", "lt-web"); code != 1 || !strings.Contains(out, "its run lease ended on 2027-03-13T12:00:00Z; 'lodge lease extend") {
		t.Errorf("started after its end: %d %s", code, out)
	}
	l.at("2027-03-10T12:00:00Z") // the clock goes back: it may run, and is stopped at the same time again
	l.do(power(l.api.Start, "lt-web"))
	l.look()
	l.is("started in a second past", "running", 1, 0)
	l.at("2027-03-13T12:00:01Z")
	l.is("stopped again", "stopped", 2, 0)
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"power.hours": "mon-sun 13:00-14:00"}}))
	l.schooled.look()
	l.clock.to(t, "2027-03-13T13:00:01Z")
	l.schooled.look()
	l.is("its hours would start it", "stopped", 2, 0)
	l.do(l.updating("lt-web", inventory.UpdateArgs{Unset: []string{"power.hours"}}))
	l.must(l.agent.gate.AddDeadline(context.Background(), inventory.Deadline{Due: l.clock.now(), Verb: "container.start",
		Container: l.container("lt-web").ID, Principal: inventory.System("restart policy"), Missed: inventory.MissedRun}))
	l.schooled.look()
	l.is("the restart policy would start it", "stopped", 2, 0)
	l.away("2027-04-02T00:00:00Z")
	l.is("the lease ended while no agent ran", "trashed", 2, 1)
	l.look()
	l.is("and is not ended twice", "trashed", 2, 1)
	l.wait("")

	if _, err := l.api.RestoreAs(context.Background(), at("lt-web"), inventory.RestoreArgs{Until: "2099-01-01"}, client.Options{}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("whoever brings it back gives it as much time as they like: %v", err)
	}
	l.run("trash", "restore", "lt-web")
	l.look()
	l.is("back after its end", "stopped", 2, 1)
	if c := l.container("lt-web"); c.ExpiresAt.Sub(time.Date(2027, 4, 9, 0, 0, 0, 0, time.UTC)).Abs() > time.Hour {
		t.Errorf("it is kept until %s", c.ExpiresAt)
	}
	l.run("lease", "set", "lt-web", "--keep-until", "2027-05-01T00:00:00Z", "--run-until", "2027-04-20T00:00:00Z")
	l.do(power(l.api.Start, "lt-web"))
	l.look()
	l.wait("container.stop 04-20T00:00:00, container.delete 05-01T00:00:00")
	l.run("lease", "clear", "lt-web")
	l.wait("")
	l.at("2027-06-01T00:00:00Z")
	l.is("a lease that was cleared", "running", 2, 1)
	l.checkClean()
}

// TestLeaseRules: settings of a project give new containers a lease, and bound how far it goes; other
// projects have none.
func TestLeaseRules(t *testing.T) {
	l := lent{school(t, "2027-03-01T12:00:00Z")}
	l.run("project", "create", "lt-lab", "--purpose", "trials", "lease.max=30d", "lease.total=60d", "memory=64MiB", "disk=64MiB")
	l.run("create", "tiny", "lt-lab/lt-web", "--purpose", "a trial")
	l.run("create", "tiny", "lt-free", "--purpose", "no trial", "--set", "disk=64MiB")
	if free := l.container("lt-free"); !free.ExpiresAt.IsZero() {
		t.Errorf("nobody asked for a lease, and it has one until %s", free.ExpiresAt)
	}
	until := func() string { return l.container("lt-lab/lt-web").ExpiresAt.Format(time.DateOnly) }
	if got := until(); got != "2027-03-31" {
		t.Errorf("kept until %s", got)
	}
	for args, want := range map[string]string{
		"create tiny lt-lab/lt-two --purpose x --expires 31d": "may be kept until 2027-03-31",
		"lease extend lt-lab/lt-web --keep-until 31d":         "lease.max of its project or the host says so",
		"lease clear lt-lab/lt-web":                           "can't be kept for ever",
	} {
		if out, code := l.lodge(strings.Fields(args)...); code != 4 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", args, code, out)
		}
	}
	l.clock.to(t, "2027-03-20T12:00:00Z")
	l.run("lease", "extend", "lt-lab/lt-web", "--keep-until", "19d", "--reason", "half way")
	if got := until(); got != "2027-04-19" {
		t.Errorf("kept until %s", got)
	}
	l.clock.to(t, "2027-04-15T12:00:00Z")
	if out, code := l.lodge("lease", "extend", "lt-lab/lt-web", "--keep-until", "29d"); code != 4 || !strings.Contains(out, "lease.total of its") {
		t.Errorf("past the total: %d %s", code, out)
	}
	if out := l.run("lease", "show", "lt-lab/lt-web", "-o", "json"); !strings.Contains(out, `"latest_by": "lease.total"`) || !strings.Contains(out, `"latest": "2027-04-30T12:00:`) {
		t.Errorf("lease show: %s", out)
	}
	l.run("lease", "extend", "lt-lab/lt-web")
	if got := until(); got != "2027-04-30" {
		t.Errorf("as far as allowed is %s", got)
	}
	web := inventory.Ref{Project: "lt-lab", Name: "lt-web"}
	planned := func(plan func(context.Context, inventory.Ref, client.Options) (client.Answer, error)) string {
		answer, err := plan(context.Background(), web, client.Options{Plan: true})
		l.must(err)
		raw, err := json.Marshal(answer.Plan.Effects)
		l.must(err)
		return string(raw)
	}
	first := planned(deleting(l.lab))
	l.clock.jump(time.Hour)
	if again := planned(deleting(l.lab)); again != first || !strings.Contains(first, "7d later") {
		t.Errorf("who approves a delete later approves another plan:\n%s\n%s", first, again)
	}
	l.run("lease", "set", "lt-lab/lt-web", "--keep-until", "2d")
	if out := l.run("list", "-A", "--filter", "lease<3d", "--columns", "name"); !strings.Contains(out, "lt-lab/lt-web") || strings.Contains(out, "lt-free") {
		t.Errorf("the filter lease<3d finds %s", out)
	}
	if out, code := l.lodge("lease", "set", "lt-free", "--keep-until", "2d", "--run-until", "3d"); code != 2 || !strings.Contains(out, "it goes to the trash on") {
		t.Errorf("a run longer than it is kept: %d %s", code, out)
	}
}
