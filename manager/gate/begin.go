package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"lodge/inventory"
)

// Begin passes a mutation through the gate. It returns the operation (running, or already done
// when there was nothing to change), the plan if only that was asked for, or the change that now
// waits for others. It returns before the steps have run; see Wait.
func (g *Gate) Begin(ctx context.Context, r Request) (Answer, error) {
	return g.begin(ctx, r, nil)
}

func (g *Gate) begin(ctx context.Context, r Request, released *inventory.Change) (Answer, error) {
	v, err := g.verb(r.Verb)
	if err != nil {
		return Answer{}, err
	}
	if v.Mode != ModeOperation {
		return Answer{}, inventory.Errorf(inventory.ErrInvalid, "%s is no operation", v.Name)
	}
	print := inventory.Fingerprint(r.Verb, r.Ref, r.Args)
	if op, err := g.repeated(ctx, r, print); op != nil || err != nil {
		return Answer{Operation: op}, err
	}
	if err := g.admitCaller(ctx, v, &r); err != nil {
		return Answer{}, err
	}
	a, err := g.prepare(ctx, v, &r, released)
	if err != nil && inventory.IsRefusal(err) && !r.PlanOnly {
		err = g.refuse(ctx, v, &r, a, err)
	}
	if err != nil {
		return Answer{}, err
	}
	a.print = print
	a.decision = g.Policy.Review(ctx, &r, a.plan)
	a.plan.Verdict, a.plan.Reasons = string(a.decision.Verdict), a.decision.Reasons
	if r.PlanOnly {
		return Answer{Plan: a.plan}, nil
	}
	if a.decision.Verdict == Hold || r.Draft && a.decision.Verdict == Allow {
		c, run, err := g.Changes.Hold(ctx, Held{&r, a.plan, a.decision.Needs, a.name, a.project, released})
		if err != nil || !run {
			return Answer{Change: &c}, err
		}
		a.change = &c
		return g.launch(ctx, &r, a)
	}
	if a.decision.Verdict == Allow {
		return g.launch(ctx, &r, a)
	}
	return Answer{}, g.refuse(ctx, v, &r, a, a.denied(a.decision))
}

// An attempt is a request on its way through the gate.
type attempt struct {
	verb          Verb
	draft         *Draft
	plan          *inventory.Plan
	decision      Decision
	subject, name string
	project       string
	change        *inventory.Change
	print         string // see inventory.Fingerprint
}

// decided is what the audit journal keeps of the decision; nil before there is one.
func (a *attempt) decided(r *Request) *inventory.RecordDecision {
	if a.decision.Verdict == "" {
		return nil
	}
	return &inventory.RecordDecision{Policy: a.plan.Policy, IDs: a.decision.Policies,
		BreakGlass: r.Principal.Override && a.decision.Verdict == Allow}
}

func (a *attempt) denied(d Decision) error {
	return inventory.Errorf(inventory.ErrDenied, "%s is not allowed: %s", strings.TrimSpace(a.plan.Verb+" "+a.name), d.why())
}

// admitCaller settles who calls, what they call it on, and whether they have the right. What a
// caller may not see does not exist for them.
func (g *Gate) admitCaller(ctx context.Context, v Verb, r *Request) error {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok {
		return inventory.Errorf(inventory.ErrDenied, "%s is not allowed: nobody said who is calling", v.Name)
	}
	r.Principal = p
	if p.Kind != inventory.KindSystem { // whose reasons are what some log said
		if err := errors.Join(inventory.CheckLine("the reason", r.Reason), inventory.CheckLine("the ticket", r.Ticket)); err != nil {
			return err
		}
	}
	if p.Kind == inventory.KindPerson && p.User != "" && !g.Rights.Allowed(p, inventory.RightEnter, nil) {
		// The doors let nobody in who is disabled: this is something they left to be done.
		err := inventory.Errorf(inventory.ErrDenied, "%s may not %s: their user is disabled", p.Name, v.Name)
		return g.refuse(ctx, v, r, nil, err)
	}
	if r.Ref.Name != "" {
		c, err := g.Store.Container(ctx, r.Ref)
		if err != nil {
			return err
		}
		if !g.Rights.Allowed(p, inventory.RightView, c) {
			err := inventory.Errorf(inventory.ErrNotFound, "there is no container %s", r.Ref)
			return g.refuse(ctx, v, r, nil, err)
		}
		r.Container = c
		r.Observed = g.Observer.Observe(c)
	}
	on := r.Container
	if on == nil && v.Place != nil {
		on = v.Place(r)
	}
	if !g.Rights.Allowed(p, v.Right, on) {
		err := inventory.Errorf(inventory.ErrDenied, "%s may not %s: that takes the right %q", p.Name, v.Name, v.Right)
		return g.refuse(ctx, v, r, nil, err)
	}
	return nil
}

// prepare checks the parameters and quota and makes the plan. With an error it returns what it knows.
func (g *Gate) prepare(ctx context.Context, v Verb, r *Request, released *inventory.Change) (*attempt, error) {
	a := &attempt{verb: v, draft: &Draft{}, change: released}
	if v.Prepare != nil {
		draft, err := v.Prepare(ctx, r)
		if err != nil {
			return nil, err
		}
		a.draft, r.After = draft, draft.After
	}
	if a.draft.Args != nil {
		raw, err := json.Marshal(a.draft.Args)
		if err != nil {
			return nil, err
		}
		r.Args = raw
	}
	if err := a.identify(v, r); err != nil {
		return nil, err
	}
	if r.Container != nil && r.Revision != 0 && r.Revision != r.Container.Revision {
		return nil, inventory.Errorf(inventory.ErrStale, "%s changed meanwhile: you saw revision %d, it is at %d; look again and repeat",
			a.name, r.Revision, r.Container.Revision)
	}
	if a.draft.Reserve != nil || a.draft.After != nil {
		if err := g.Store.Overdraws(ctx, r.Container, a.draft.After, a.draft.Reserve); err != nil {
			return a, err
		}
	}
	plan, err := g.newPlan(v, r, a.draft, a.subject, released)
	a.plan = plan
	return a, err
}

// identify finds what the attempt works on and is exclusive over.
func (a *attempt) identify(v Verb, r *Request) (err error) {
	switch {
	case v.Subject != nil:
		a.subject, a.name, err = v.Subject(r)
	case a.begets(r):
		a.subject = "container:" + string(a.draft.After.ID)
		a.name, a.project = a.draft.After.Name, a.draft.After.Project
	case r.Container != nil:
		a.subject = "container:" + string(r.Container.ID)
		a.name, a.project = r.Container.Name, r.Container.Project
	default:
		err = inventory.Errorf(inventory.ErrInvalid, "%s needs the name of a container", v.Name)
	}
	return err
}

// begets reports whether the attempt makes a new container, from nothing or from the request's.
func (a *attempt) begets(r *Request) bool {
	return a.draft.After != nil && (r.Container == nil || a.draft.After.ID != r.Container.ID)
}

// launch is the last part of begin: state, intent, admission, and off go the steps.
func (g *Gate) launch(ctx context.Context, r *Request, a *attempt) (Answer, error) {
	if len(a.verb.From) > 0 && !slices.Contains(a.verb.From, r.Observed.State) {
		err := inventory.Errorf(inventory.ErrState, "%s is %s; %s works on a container that is %s",
			a.name, r.Observed.State, a.verb.Command, inventory.JoinStates(a.verb.From))
		return Answer{}, g.refuse(ctx, a.verb, r, a, err)
	}
	op, err := g.newOperation(r, a)
	if err != nil {
		return Answer{}, err
	}
	intent := g.about(inventory.RecordIntent, op)
	intent.Decision = a.decided(r)
	if a.change != nil {
		a.change.Plan = *a.plan // a draft's is another by now
		intent.Approvals = a.change.Approvers()
	}
	if err := g.record(ctx, intent); err != nil {
		return Answer{}, err
	}
	// If we crash here the intent stands without an outcome, and nothing happened.
	g.Boundary(op.Verb, "", "intent")
	admitted, again, err := g.Store.Admit(ctx, Admission{Operation: op, Exclusive: true,
		Before: op.Before, After: a.draft.After, Reserve: a.draft.Reserve, Change: a.change})
	if err != nil {
		return Answer{}, g.outcome(ctx, op, "refused: "+err.Error(), err)
	}
	if again {
		err := g.outcome(ctx, op, "repeated: operation "+string(admitted.ID), nil)
		return Answer{Operation: &admitted}, err
	}
	g.Boundary(op.Verb, "", "admitted")
	g.fly(admitted, a.verb, false)
	return Answer{Operation: &admitted}, nil
}

// A tail is what the end of an operation needs of its draft. It is kept in the operation's data,
// so that the next agent can end it too.
type tail struct {
	Remove     bool                 `json:"remove,omitempty"`
	Deadlines  []inventory.Deadline `json:"deadlines,omitempty"`
	Supersedes []string             `json:"supersedes,omitempty"`
	Print      string               `json:"print,omitempty"` // see inventory.Fingerprint
}

// tailKey is the tail's name in an operation's data; steps have no business with it.
const tailKey = "gate.tail"

func (g *Gate) newOperation(r *Request, a *attempt) (inventory.Operation, error) {
	now := g.Now()
	data, err := json.Marshal(map[string]any{tailKey: tail{a.draft.Remove, a.draft.Deadlines, a.draft.Supersedes, a.print}})
	if err != nil {
		return inventory.Operation{}, err
	}
	op := inventory.Operation{
		ID: inventory.OperationID(inventory.NewID(now)), HostID: g.Host, Verb: a.verb.Name,
		Subject: a.subject, Name: a.name, Project: a.project, Principal: r.Principal,
		Reason: r.Reason, Ticket: r.Ticket, Key: r.Key, State: inventory.OperationRunning,
		Steps: a.plan.Steps, Percent: -1, Args: r.Args, Before: r.Container, After: a.draft.After,
		Plan: a.plan.Digest, Data: data, StartedAt: now, UpdatedAt: now,
	}
	if a.begets(r) && r.Container != nil {
		op.Before = nil
	}
	if c := cmp.Or(a.draft.After, r.Container); c != nil {
		op.Container = c.ID
	}
	if a.change != nil {
		op.Change = a.change.ID
	}
	return op, nil
}

// about makes a record that tells a part of the operation's story.
func (g *Gate) about(kind inventory.RecordKind, op inventory.Operation) inventory.Record {
	rec := inventory.Record{Kind: kind, Verb: op.Verb, Principal: op.Principal, Subject: op.Subject,
		Name: op.Name, Project: op.Project, Operation: op.ID, Change: op.Change,
		Reason: op.Reason, Ticket: op.Ticket, Plan: op.Plan}
	if kind == inventory.RecordIntent {
		rec.Detail = inventory.RecordArgs(op.Args)
		rec.Before, rec.After = inventory.RecordFacts(op.Before), inventory.RecordFacts(op.After)
	}
	return rec
}

// outcome records how an operation or its admission ended, and passes err on.
func (g *Gate) outcome(ctx context.Context, op inventory.Operation, result string, err error) error {
	rec := g.about(inventory.RecordOutcome, op)
	rec.Result = result
	return errors.Join(err, g.record(ctx, rec))
}

// refuse records that somebody was told no, and passes the reason on. A refusal that can't be
// recorded stays a refusal.
func (g *Gate) refuse(ctx context.Context, v Verb, r *Request, a *attempt, reason error) error {
	rec := inventory.Record{Kind: inventory.RecordRefusal, Verb: v.Name, Principal: r.Principal,
		Name: r.Ref.Name, Project: r.Ref.Project, Reason: r.Reason, Ticket: r.Ticket, Result: reason.Error()}
	if r.Container != nil {
		rec.Subject = "container:" + string(r.Container.ID)
	}
	if a != nil {
		rec.Subject, rec.Name, rec.Project = a.subject, a.name, a.project
		if a.plan != nil {
			rec.Plan, rec.Decision = a.plan.Digest, a.decided(r)
		}
	}
	if err := g.record(ctx, rec); err != nil {
		g.Log.Error("refusal not recorded", "verb", v.Name, "error", err)
	}
	return reason
}

// repeated returns the operation that the caller's idempotency key has made. It is asked for before
// anything else is judged: the first try has changed what would be looked at, and a create asked
// for again would find its own name taken.
func (g *Gate) repeated(ctx context.Context, r Request, print string) (*inventory.Operation, error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if r.Key == "" || r.PlanOnly || !ok {
		return nil, nil
	}
	op, ok, err := g.Store.Repeated(ctx, p.Name, r.Verb, r.Key)
	if err != nil || !ok {
		return nil, err
	}
	var data map[string]json.RawMessage
	var t tail
	if json.Unmarshal(op.Data, &data) == nil {
		json.Unmarshal(data[tailKey], &t)
	}
	if t.Print != "" && t.Print != print {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the idempotency key %q was used for another %s, operation %s; take a new one for each request", r.Key, r.Verb, op.ID)
	}
	return &op, nil
}
