package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

func TestIntentIsDurableBeforeAnythingHappens(t *testing.T) {
	b := newBench(t)
	b.journal.appended = func(r inventory.Record) {
		if r.Kind == inventory.RecordIntent {
			if _, err := b.store.Container(context.Background(), inventory.ParseRef("web1")); !errors.Is(err, inventory.ErrNotFound) {
				t.Errorf("the container exists before the intent is durable: %v", err)
			}
			if len(b.steps) > 0 {
				t.Errorf("steps ran before the intent was durable: %v", b.steps)
			}
		}
	}
	op := b.do("container.create", "web1", inventory.CreateArgs{Name: "web1"})
	if op.State != inventory.OperationDone {
		t.Fatalf("operation %s: %s", op.State, op.Error)
	}
	if got := strings.Join(b.journal.story(), ", "); got != "intent container.create, outcome container.create" {
		t.Errorf("journal: %s", got)
	}
}

func TestNothingHappensWithoutAJournal(t *testing.T) {
	b := newBench(t)
	b.journal.broken = true
	_, err := b.begin(root, "container.create", "web1", inventory.CreateArgs{Name: "web1"})
	if !errors.Is(err, inventory.ErrUnavailable) {
		t.Errorf("create without a journal: %v", err)
	}
	if len(b.steps) > 0 {
		t.Errorf("steps ran: %v", b.steps)
	}
}

func TestFailureUndoesInReverseAndRestores(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	b.steps, b.fail = nil, "two"
	op := b.do("container.update", "web1", ownedBy("dev2"))
	if op.State != inventory.OperationFailed || op.Kind != "unavailable" || op.Error != "two does not work" {
		t.Errorf("operation: %s %q %q", op.State, op.Kind, op.Error)
	}
	if got := strings.Join(b.steps, ", "); got != "one, two, undo two, undo one" {
		t.Errorf("steps: %s", got)
	}
	if got := b.owner("web1"); got != "o" {
		t.Errorf("owner after the undo: %s", got)
	}
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.fail = "three"
	b.do("container.create", "web1", inventory.CreateArgs{Name: "web1"})
	if _, err := b.store.Container(t.Context(), inventory.ParseRef("web1")); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("the container is still there: %v", err)
	}
	b.fail = ""
	b.create("web1") // the name is free again
}

func TestOneMutationAtATime(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	b.block = make(chan struct{})
	first, err := b.begin(root, "container.update", "web1", ownedBy("dev1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.begin(root, "container.update", "web1", ownedBy("dev2")); !errors.Is(err, inventory.ErrBusy) {
		t.Errorf("second mutation: %v", err)
	}
	close(b.block)
	b.wait(first)
	if got := b.owner("web1"); got != "dev1" {
		t.Errorf("owner: %s", got)
	}
}

func TestStaleRevisionIsRefused(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	raw, _ := json.Marshal(ownedBy("dev1"))
	_, err := b.gate.Begin(b.as(root), gate.Request{Verb: "container.update", Ref: inventory.ParseRef("web1"), Args: raw, Revision: 99})
	if !errors.Is(err, inventory.ErrStale) {
		t.Errorf("If-Match 99: %v", err)
	}
}

func TestCancelUndoes(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	b.steps, b.block = nil, make(chan struct{})
	answer, err := b.begin(root, "container.update", "web1", ownedBy("dev1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.gate.Cancel(b.as(nobody), answer.Operation.ID); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("cancel by somebody else: %v", err)
	}
	if err := b.gate.Cancel(b.as(second), answer.Operation.ID); err != nil {
		t.Fatal(err)
	}
	if op := b.wait(answer); op.State != inventory.OperationCancelled {
		t.Errorf("state: %s %s", op.State, op.Error)
	}
	if got := b.owner("web1"); got != "o" {
		t.Errorf("owner: %s", got)
	}
	story := b.journal.story()
	if want := []string{"intent container.update", "refusal operation.cancel", "fact operation.cancel",
		"outcome container.update"}; !slices.Equal(story[len(story)-4:], want) {
		t.Errorf("the journal: %v", story)
	}
	if asked := b.journal.records[len(story)-2]; asked.Principal.Name != "second" || asked.Operation != answer.Operation.ID {
		t.Errorf("who cancelled it: %+v", asked)
	}
}

// Policies judge reads and sessions too, and what they refuse is on record.
func TestPoliciesJudgeReadsAndSessions(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	for _, c := range []struct{ verb, held string }{{"container.view", ""}, {"container.exec", ""}, {"container.exec", "container.exec"}} {
		b.policy.deny, b.policy.hold = c.verb, c.held
		if c.held != "" {
			b.policy.deny = ""
		}
		_, err := b.gate.Enter(b.as(root), gate.Request{Verb: c.verb, Ref: inventory.Ref{Name: "web1"}})
		if !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%s: %v", c.verb, err)
		}
		if last := b.journal.records[len(b.journal.records)-1]; last.Kind != inventory.RecordRefusal || last.Verb != c.verb || last.Name != "web1" {
			t.Errorf("%s: the journal ends with %+v", c.verb, last)
		}
	}
	b.policy.deny = "container.view"
	if _, err := b.gate.Enter(b.as(root), gate.Request{Verb: "container.view"}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("a read that is on nothing: %v", err)
	}
}

// A decision is a method of the gate: nobody enters by it, and it begins nothing.
func TestDecisionsAreNotEntered(t *testing.T) {
	b := newBench(t)
	if _, err := b.gate.Enter(b.as(root), gate.Request{Verb: "change.approve"}); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("enter: %v", err)
	}
	if _, err := b.gate.Begin(b.as(root), gate.Request{Verb: "change.approve"}); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("begin: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	b.create("kept")
	b.policy.deny = "container.finish"
	cases := []struct {
		name string
		who  inventory.Principal
		verb string
		on   string
		args any
		kind error
	}{
		{"what one may not see does not exist", nobody, "container.update", "web1", ownedBy("x"), inventory.ErrNotFound},
		{"seeing is not changing", viewer, "container.update", "web1", ownedBy("x"), inventory.ErrDenied},
		{"a policy denies", root, "container.finish", "web1", ownedBy("x"), inventory.ErrDenied},
		{"wrong state", root, "container.thaw", "web1", nil, inventory.ErrState},
		{"unknown container", root, "container.update", "web9", ownedBy("x"), inventory.ErrNotFound},
		{"unknown field", root, "container.update", "web1", map[string]string{"colour": "red"}, inventory.ErrInvalid},
		{"unknown verb", root, "container.fly", "web1", nil, inventory.ErrNotFound},
		{"a Prepare says no", root, "container.purge", "kept", nil, inventory.ErrState},
		{"taken name", root, "container.create", "web1", inventory.CreateArgs{Name: "web1"}, inventory.ErrExists},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := b.begin(c.who, c.verb, c.on, c.args); !errors.Is(err, c.kind) {
				t.Errorf("got %v, want %v", err, c.kind)
			}
		})
	}
	refusals := 0
	for _, line := range b.journal.story() {
		if strings.HasPrefix(line, "refusal") {
			refusals++
		}
	}
	if refusals != 5 {
		t.Errorf("%d refusals in the journal, want 5: %v", refusals, b.journal.story())
	}
	if _, err := b.gate.Begin(t.Context(), gate.Request{Verb: "container.update", Ref: inventory.ParseRef("web1")}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("without a principal: %v", err)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	before := len(b.journal.story())
	raw, _ := json.Marshal(ownedBy("dev1"))
	answer, err := b.gate.Begin(b.as(root), gate.Request{Verb: "container.update", Ref: inventory.ParseRef("web1"), Args: raw, PlanOnly: true})
	if err != nil || answer.Plan == nil {
		t.Fatalf("plan: %v", err)
	}
	if !slices.ContainsFunc(answer.Plan.Effects, func(e inventory.EffectLine) bool { return e.Field == "owner" && e.After == "dev1" }) {
		t.Errorf("effects: %+v", answer.Plan.Effects)
	}
	if digest, _ := inventory.PlanDigest(answer.Plan); digest != answer.Plan.Digest {
		t.Errorf("the digest can't be recomputed: %s, %s", digest, answer.Plan.Digest)
	}
	if b.owner("web1") != "o" || len(b.journal.story()) != before {
		t.Error("a plan changed something")
	}
}

func TestDigestBindsEveryField(t *testing.T) {
	plan := inventory.Plan{Verb: "v", Container: "c", Subject: "s", Base: 1, Args: json.RawMessage(`{"a":1}`), HostID: "h", Policy: "p",
		Effects: []inventory.EffectLine{{Field: "memory", After: "1GiB"}}, Expiry: time.Unix(1, 0), Nonce: "n"}
	was, _ := inventory.PlanDigest(&plan)
	for name, edit := range map[string]func(*inventory.Plan){
		"verb": func(p *inventory.Plan) { p.Verb = "w" }, "container": func(p *inventory.Plan) { p.Container = "d" },
		"base": func(p *inventory.Plan) { p.Base = 2 }, "args": func(p *inventory.Plan) { p.Args = json.RawMessage(`{"a":2}`) },
		"effects": func(p *inventory.Plan) { p.Effects = []inventory.EffectLine{{Field: "memory", After: "2GiB"}} },
		"host":    func(p *inventory.Plan) { p.HostID = "i" }, "policy": func(p *inventory.Plan) { p.Policy = "q" },
		"expiry": func(p *inventory.Plan) { p.Expiry = time.Unix(2, 0) }, "nonce": func(p *inventory.Plan) { p.Nonce = "m" },
	} {
		edited := plan
		edit(&edited)
		if now, _ := inventory.PlanDigest(&edited); now == was {
			t.Errorf("an edit of %s leaves the digest as it was", name)
		}
	}
	same := plan
	same.Args, same.Risk, same.Interrupts, same.Verdict = json.RawMessage(` { "a" : 1 } `), inventory.RiskHigh, "x", "allow"
	if now, _ := inventory.PlanDigest(&same); now != was {
		t.Error("blanks or estimates change the digest")
	}
}

// Every boundary of every verb, as seen by the next agent. The process tests in cmd/lodged do the
// same with a real kill and real containers.
func TestNextAgentFinishesOrUndoes(t *testing.T) {
	for _, verb := range []string{"container.update", "container.finish", "container.purge"} {
		for _, step := range []string{"one", "two", "three"} {
			for _, edge := range []string{"before", "after"} {
				t.Run(fmt.Sprintf("%s/%s/%s", verb, step, edge), func(t *testing.T) { dieAt(t, verb, step, edge) })
			}
		}
	}
}

func dieAt(t *testing.T, verb, step, edge string) {
	b := newBench(t)
	b.create("web1")
	b.steps, b.stuck = nil, verb+"/"+step+"/"+edge
	args := any(ownedBy("dev1"))
	if verb == "container.purge" {
		args = nil
	}
	answer, err := b.begin(root, verb, "web1", args)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.died
	})
	b.mu.Lock()
	b.stuck = ""
	b.mu.Unlock()
	b.gate = b.open()
	if err := b.gate.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	op := b.wait(answer)
	switch verb {
	case "container.update":
		if op.State != inventory.OperationFailed || b.owner("web1") != "o" || !strings.Contains(op.Error, "was undone") {
			t.Errorf("after undo: %s %q, owner %s", op.State, op.Error, b.owner("web1"))
		}
		// A power cut may have taken back the number of the step, so all of them are undone.
		if story := strings.Join(b.steps, ", "); !strings.HasSuffix(story, "undo three, undo two, undo one") {
			t.Errorf("steps: %s", story)
		}
	case "container.finish":
		if op.State != inventory.OperationDone || b.owner("web1") != "dev1" {
			t.Errorf("after finish: %s %q, owner %s", op.State, op.Error, b.owner("web1"))
		}
	case "container.purge":
		if _, err := b.store.Container(t.Context(), inventory.ParseRef("web1")); op.State != inventory.OperationDone || !errors.Is(err, inventory.ErrNotFound) {
			t.Errorf("after purge: %s %q, %v", op.State, op.Error, err)
		}
	}
	if story := b.journal.story(); story[len(story)-1] != "outcome "+verb {
		t.Errorf("the journal ends with %q", story[len(story)-1])
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not come to that")
}

func TestSessionsLeaveIntentAndOutcome(t *testing.T) {
	b := newBench(t)
	b.create("web1")
	before := len(b.journal.story())
	e, err := b.gate.Enter(b.as(root), gate.Request{Verb: "container.exec", Ref: inventory.ParseRef("web1"),
		Args: json.RawMessage(`{"command":["mysql","-psecret"],"env":{"TOKEN":"secret"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Leave("exited 0", nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.journal.records[len(b.journal.records)-2:] {
		if r.Session == "" || r.Session != e.Session() {
			t.Errorf("the %s is of session %q, not %q", r.Kind, r.Session, e.Session())
		}
	}
	story := b.journal.story()[before:]
	if strings.Join(story, ", ") != "intent container.exec, outcome container.exec" {
		t.Errorf("journal: %v", story)
	}
	raw, _ := json.Marshal(b.journal.records)
	if strings.Contains(string(raw), "secret") {
		t.Error("a secret is in the journal")
	}
	if _, err := b.gate.Enter(b.as(viewer), gate.Request{Verb: "container.view", Ref: inventory.ParseRef("web1")}); err != nil {
		t.Errorf("a read by a viewer: %v", err)
	}
	if got := len(b.journal.story()); got != before+2 {
		t.Errorf("a read left %d records", got-before-2)
	}
}
