package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/container"
	"lodge/manager/gate"
	"lodge/manager/image"
	"lodge/manager/lease"
	"lodge/manager/project"
	"lodge/manager/session"
	"lodge/manager/volume"
	"lodge/web/wire"
)

// A crashCase kills the agent at one boundary of one verb; with undo set the next agent too, when
// it comes to undo that step.
type crashCase struct {
	verb gate.Verb
	step string
	edge string
	undo bool
}

func (c crashCase) String() string {
	s := c.verb.Name + "/" + c.step + "/" + c.edge
	if c.undo {
		s += "+undo"
	}
	return s
}

func (c crashCase) boundary() string { return c.verb.Name + "/" + c.step + "/" + c.edge }

// crashCases makes the cases of a verb out of its table of steps.
func crashCases(v gate.Verb) []crashCase {
	cases := []crashCase{{v, "", "intent", false}, {v, "", "admitted", false}}
	for _, s := range v.Steps {
		cases = append(cases, crashCase{v, s.Name, "before", false}, crashCase{v, s.Name, "after", false})
		if v.Recovery != gate.RecoverFinish {
			cases = append(cases, crashCase{v, s.Name, "after", true})
		}
	}
	return append(cases, crashCase{v, "", "end", false})
}

// operationVerbs is the agent's own table, as far as it is operations.
func operationVerbs(t testing.TB) []gate.Verb {
	t.Helper()
	a := &Agent{container: container.New(container.Config{}), images: &image.Service{}, sessions: &session.Service{},
		projects: project.New(project.Config{}), volumes: volume.New(volume.Config{}),
		leases: lease.New(lease.Config{})}
	return slices.DeleteFunc(a.verbs(), func(v gate.Verb) bool { return v.Mode != gate.ModeOperation })
}

// TestEveryVerbHasACrashFixture: a verb whose crashes nobody tests fails the build.
func TestEveryVerbHasACrashFixture(t *testing.T) {
	known := maps.Clone(crashFixtures)
	for _, v := range operationVerbs(t) {
		if known[v.Name] == nil {
			t.Errorf("verb %s has no crash fixture: add one to crashFixtures", v.Name)
		}
		delete(known, v.Name)
	}
	for name := range known {
		t.Errorf("there is a crash fixture for %s, which is no verb", name)
	}
}

// TestCrashes kills the agent at every boundary of every verb. The next agent has to leave a clean
// state and a truthful operation, and containers nobody meant run on.
//
// LODGE_LONG takes every boundary. Without it a verb takes every second one, and its neighbour in the
// table the others: verbs share most steps, and all boundaries take half an hour.
//
// Every agent but the first recovers from one case and dies in the next: neighbours in the list are
// cases of different verbs, and no fixture uses the verb whose crash it prepares.
func TestCrashes(t *testing.T) {
	requireRoot(t)
	const roots = 2
	var chosen [roots][][]crashCase
	for i, v := range operationVerbs(t) {
		cases := crashCases(v)
		if os.Getenv("LODGE_LONG") != "1" {
			cases = everySecond(cases, i/roots%2)
		}
		chosen[i%roots] = append(chosen[i%roots], cases)
	}
	for n := range roots {
		t.Run(fmt.Sprintf("root%d", n), func(t *testing.T) {
			t.Parallel()
			crashAll(t, fmt.Sprintf("lt-%c", 'a'+n), interleave(chosen[n]))
		})
	}
}

func everySecond(cases []crashCase, first int) (out []crashCase) {
	for i := first; i < len(cases); i += 2 {
		out = append(out, cases[i])
	}
	return out
}

// interleave takes one case of every verb in turn.
func interleave(byVerb [][]crashCase) (out []crashCase) {
	for more := true; more; {
		more = false
		for i, cases := range byVerb {
			if len(cases) > 0 {
				out, byVerb[i], more = append(out, cases[0]), cases[1:], true
			}
		}
	}
	return out
}

// crashAll works a list of cases off on one root, with containers whose names begin with names.
func crashAll(t *testing.T, names string, cases []crashCase) {
	l := emptyLab(t, "crash")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	other := names + "-witness"
	l.launch(other)
	witness := l.container(other).Observed.InitPID
	armed := ""
	for n, c := range cases {
		name := fmt.Sprintf("%s%d", names, n)
		passed := t.Run(c.String(), func(t *testing.T) {
			l.t = t
			if armed != c.boundary() {
				l.stop()
				l.start("LODGE_CRASH=" + c.boundary())
			}
			armed = nextBoundary(cases, n)
			l.crash(name, c, armed)
			if pid := l.container(other).Observed.InitPID; pid != witness {
				t.Errorf("a container nobody meant: its init was %d and is %d", witness, pid)
			}
			l.checkClean()
		})
		l.t = t
		if !passed { // the next case is to judge its own
			l.kill()
			l.start("LODGE_CRASH=" + armed)
			l.settle()
			witness = l.container(other).Observed.InitPID
		}
		if n%10 == 9 && !strings.HasPrefix(armed, "container.purge/") {
			l.purgeAll(other)
		}
	}
}

// nextBoundary is where the agent that recovers from case n may die next: nowhere, if it could get
// there on the way.
func nextBoundary(cases []crashCase, n int) string {
	if n+1 == len(cases) || cases[n+1].verb.Name == cases[n].verb.Name {
		return "none"
	}
	return cases[n+1].boundary()
}

// crash prepares the fixture, lets the agent die in the verb, starts the next, and checks what it
// made of it.
func (l *lab) crash(name string, c crashCase, next string) {
	l.t.Helper()
	prepared := crashFixtures[c.verb.Name](l, name)
	before := l.world()
	old := l.newest(c.verb.Name).ID
	l.api.Close()
	if _, err := l.try(prepared.ask); err == nil {
		l.t.Errorf("the operation ended: the boundary was not reached")
		l.kill()
	}
	l.awaitEnd()
	if c.undo {
		if err := l.tryStart("LODGE_CRASH=" + c.verb.Name + "/" + c.step + "/undo"); err == nil {
			l.awaitEnd()
		}
	}
	l.start("LODGE_CRASH=" + next)
	l.settle()
	l.judge(c, prepared, before, old)
}

// judge compares the world with what the operation's row claims.
func (l *lab) judge(c crashCase, prepared crashFixture, before world, old inventory.OperationID) {
	l.t.Helper()
	op := l.newest(c.verb.Name)
	if c.edge == "intent" {
		if op.ID != old {
			l.t.Errorf("there is an operation, though the agent died before it was admitted")
		}
		l.unchanged(before)
		return
	}
	if op.ID == old {
		l.t.Fatalf("there is no new operation %s", c.verb.Name)
	}
	switch op.State {
	case inventory.OperationDone:
		if now := l.world(); prepared.done != nil && !prepared.done(now) {
			l.t.Errorf("the operation is done, and the world is\n%s", now.text())
		}
	case inventory.OperationFailed:
		if op.Error == "" || op.ErrorKind == "" || strings.Contains(op.Error, "undoing it") {
			l.t.Errorf("the operation failed without a reason for people: %q (%s)", op.Error, op.ErrorKind)
		}
		l.unchanged(before)
	default:
		l.t.Errorf("the operation is %s", op.State)
	}
	l.checkRecovery(c, op)
}

// checkRecovery: the verb went the way its row names.
func (l *lab) checkRecovery(c crashCase, op wire.Operation) {
	l.t.Helper()
	want := inventory.OperationFailed
	if c.verb.Recovery == gate.RecoverFinish {
		want = inventory.OperationDone
	}
	if op.State != want {
		l.t.Errorf("recovery %q ended %s: %s", c.verb.Recovery, op.State, op.Error)
	}
}

// newest returns the last operation of a verb; an empty one if there is none.
func (l *lab) newest(verb string) wire.Operation {
	l.t.Helper()
	return append(l.operations(verb), wire.Operation{})[0]
}

func (l *lab) unchanged(before world) {
	l.t.Helper()
	now := l.world()
	for key := range maps.Keys(before) {
		if now[key] != before[key] {
			l.t.Errorf("%s was  %s\n\tand is %s", key, before[key], now[key])
		}
		delete(now, key)
	}
	if len(now) > 0 {
		l.t.Errorf("left over: %s", now.text())
	}
}

// purgeAll purges all but one, by the gate like everything else.
func (l *lab) purgeAll(except string) {
	l.t.Helper()
	for _, c := range l.containers() {
		if c.Name != except {
			l.do(power(l.api.Purge, string(c.ID)))
		}
	}
}
