package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/container"
	"lodge/manager/gate"
	"lodge/manager/image"
	"lodge/manager/session"
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
	a := &Agent{container: container.New(container.Config{}), images: &image.Service{}, sessions: &session.Service{}}
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
// Every agent but the first recovers from one case and dies in the next: neighbours in the list are
// cases of different verbs, and no fixture uses the verb whose crash it prepares.
func TestCrashes(t *testing.T) {
	requireRoot(t)
	verbs := operationVerbs(t)
	const roots = 2
	for n := range roots {
		var mine []gate.Verb
		for i, v := range verbs {
			if i%roots == n {
				mine = append(mine, v)
			}
		}
		t.Run(fmt.Sprintf("root%d", n), func(t *testing.T) {
			t.Parallel()
			crashAll(t, interleave(mine))
		})
	}
}

// interleave takes one case of every verb in turn.
func interleave(verbs []gate.Verb) (out []crashCase) {
	byVerb := make([][]crashCase, len(verbs))
	for i, v := range verbs {
		byVerb[i] = crashCases(v)
	}
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

// crashAll works a list of cases off on one root.
func crashAll(t *testing.T, cases []crashCase) {
	l := emptyLab(t, "crash")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.launch("lt-witness")
	witness := l.container("lt-witness").Observed.InitPID
	l.stop()
	for n, c := range cases {
		t.Run(c.String(), func(t *testing.T) {
			l.t = t
			defer func() { l.t = t }()
			if l.agent == nil {
				l.start("LODGE_CRASH=" + c.boundary())
			}
			l.crash(fmt.Sprintf("lt-c%d", n), c, nextBoundary(cases, n))
			if pid := l.container("lt-witness").Observed.InitPID; pid != witness {
				t.Errorf("a container nobody meant: its init was %d and is %d", witness, pid)
				witness = pid
			}
			l.checkClean()
		})
		if t.Failed() && l.agent != nil && l.agent.Process.Signal(nil) != nil {
			break
		}
	}
	l.t = t
}

func nextBoundary(cases []crashCase, n int) string {
	if n+1 == len(cases) {
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
	old := len(l.operations(c.verb.Name))
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
	l.tidy(name)
}

// judge compares the world with what the operation's row claims.
func (l *lab) judge(c crashCase, prepared crashFixture, before world, old int) {
	l.t.Helper()
	ops := l.operations(c.verb.Name)
	if c.edge == "intent" {
		if len(ops) != old {
			l.t.Errorf("there is an operation, though the agent died before it was admitted")
		}
		l.unchanged(before)
		return
	}
	if len(ops) != old+1 {
		l.t.Fatalf("there are %d operations %s, %d before", len(ops), c.verb.Name, old)
	}
	switch op := ops[0]; op.State {
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
	l.checkRecovery(c, ops[0])
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

// tidy purges what a case has left under its name, by the gate like everything else.
func (l *lab) tidy(name string) {
	l.t.Helper()
	for _, c := range l.containers() {
		if c.Name == name || strings.HasPrefix(c.Name, name+"-") {
			if _, err := l.try(power(l.api.Purge, c.Name)); err != nil {
				l.t.Errorf("purge %s: %v", c.Name, err)
			}
		}
	}
}
