package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// to sets the clock to a moment.
func (c *jumpy) to(t testing.TB, text string) {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = time.Until(when)
}

// A schooled lab has an agent of this process, whose clock is set, and looks at the hours of lt-web.
type schooled struct {
	*lab
	clock *jumpy
	agent *Agent
	end   func()
}

// look looks at the hours, at what is due, and at the hours that are next then.
func (l *schooled) look() {
	l.t.Helper()
	for range 2 {
		l.must(l.agent.container.LookAtHours(context.Background()))
		l.agent.gate.RunDue(context.Background())
		l.settle()
	}
}

// is checks whether lt-web runs, and what its hours do next.
func (l *schooled) is(what string, live bool, next string) {
	l.t.Helper()
	c, at := l.container("lt-web"), ""
	if !c.Observed.SwitchAt.IsZero() {
		at = string(c.Observed.SwitchTo) + " " + c.Observed.SwitchAt.Format(time.RFC3339)
	}
	if c.State.IsLive() != live || at != next {
		l.t.Errorf("%s: it is %s, next is %q; want %q", what, c.State, at, next)
	}
}

// at sets the clock and looks.
func (l *schooled) at(text string) {
	l.t.Helper()
	l.clock.to(l.t, text)
	l.look()
}

// away ends the agent until then.
func (l *schooled) away(until string) {
	l.t.Helper()
	l.end()
	l.clock.to(l.t, until)
	l.agent, l.end = l.inProcess(l.clock)
	l.look()
}

// school makes a lab at a moment.
func school(t *testing.T, now string) *schooled {
	l := &schooled{lab: emptyLab(t, "shipped"), clock: &jumpy{}}
	l.clock.to(t, now)
	l.agent, l.end = l.inProcess(l.clock)
	t.Cleanup(func() { l.end() })
	l.importImage("tiny", tinyImage(t, ""))
	return l
}

// TestHours: a container is started and stopped by its hours, over a change to daylight saving; what
// is done by hand holds until the next boundary.
func TestHours(t *testing.T) {
	l := school(t, "2027-03-26T12:00:00Z") // a Friday; on Sunday the clock of Berlin goes forward
	ctx := context.Background()
	l.do(l.create(sized("lt-web", "power.hours", "mon-fri 08:00-18:00 Europe/Berlin"), true))
	l.look()
	l.is("launched within its hours", true, "stop 2027-03-26T17:00:00Z")
	if out, _ := l.lodge("show", "lt-web"); !strings.Contains(out, "hours") || !strings.Contains(out, "stops 2027-03-26") {
		t.Errorf("lodge show does not tell:\n%s", out)
	}
	l.at("2027-03-26T17:00:01Z")
	l.is("stopped by its hours", false, "run 2027-03-29T06:00:00Z")
	if op := l.newest("container.stop"); op.Principal.Name != "schedule" || op.Reason != "hours: mon-fri 08:00-18:00 Europe/Berlin" {
		t.Errorf("the stop is by %s: %s", op.Principal.Name, op.Reason)
	}
	page, err := l.api.AuditRecords(ctx, client.RecordQuery{Verb: "container.stop", Name: "lt-web"})
	l.must(err)
	if len(page.Items) < 2 || page.Items[0].Principal.Name != "schedule" {
		t.Errorf("the journal has the stop as %+v", page.Items)
	}

	l.clock.to(t, "2027-03-27T12:00:00Z")
	plan, err := l.api.Start(ctx, at("lt-web"), client.Options{Plan: true})
	l.must(err)
	if raw, _ := json.Marshal(plan.Plan.Effects); !strings.Contains(string(raw), "starts it Mon 2027-03-29 08:00 CEST, then stops it Mon 2027-03-29 18:00 CEST") {
		t.Errorf("the plan of a start outside says %s", raw)
	}
	l.do(power(l.api.Start, "lt-web"))
	l.look()
	pid := l.container("lt-web").Observed.InitPID
	l.is("started by hand outside", true, "run 2027-03-29T06:00:00Z")
	l.at("2027-03-29T06:00:01Z")
	l.is("left running by the boundary", true, "stop 2027-03-29T16:00:00Z")
	if now := l.container("lt-web").Observed.InitPID; now != pid {
		t.Errorf("the boundary has restarted it: %d, %d", pid, now)
	}

	l.do(l.updating("lt-web", inventory.UpdateArgs{Unset: []string{"power.hours"}}))
	l.look()
	l.is("no hours any more", true, "")
	if out, code := l.lodge("project", "set", "default", "power.hours=tue-fri 09:00-17:00"); code != 0 {
		t.Errorf("lodge project set: %d %s", code, out)
	}
	l.look()
	l.is("hours of the project", true, "run 2027-03-30T09:00:00Z")
	l.checkClean()
}

// TestHoursMissed: what the agent was away for, or the clock jumped over, is made up for if it is
// still right, and nothing is done twice.
func TestHoursMissed(t *testing.T) {
	l := school(t, "2027-03-29T12:00:00Z")
	l.do(l.create(sized("lt-web", "power.hours", "mon-fri 08:00-18:00 Europe/Berlin"), true))
	l.look()
	l.away("2027-03-29T21:00:00Z")
	l.is("a stop was missed", false, "run 2027-03-30T06:00:00Z")
	l.away("2027-03-31T12:00:00Z")
	l.is("a start, a stop and a start were missed", true, "stop 2027-03-31T16:00:00Z")
	l.do(l.stopping("lt-web", inventory.StopArgs{}))
	l.look()
	l.is("stopped by hand inside", false, "stop 2027-03-31T16:00:00Z")
	l.at("2027-04-01T05:00:00Z")
	l.is("stopped still", false, "run 2027-04-01T06:00:00Z")
	l.at("2027-04-01T06:00:01Z")
	l.is("started by its hours", true, "stop 2027-04-01T16:00:00Z")
	l.at("2027-03-29T12:00:00Z")
	l.is("the clock was set back", true, "stop 2027-03-29T16:00:00Z")
	starts, stops := len(l.operations("container.start")), len(l.operations("container.stop"))
	if starts != 2 || stops != 2 {
		t.Errorf("%d starts and %d stops", starts, stops)
	}
	l.at("2027-06-30T21:00:00Z")
	l.is("the clock was set forward by months", false, "run 2027-07-01T06:00:00Z")
	l.do(power(l.api.Start, "lt-web"))
	l.away("2027-06-30T22:00:00Z")
	l.is("started by hand, and the agent was away between boundaries", true, "run 2027-07-01T06:00:00Z")
	l.checkClean()
}
