package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"lodge/inventory"
)

// An Entry is a session or a read that has passed the gate.
type Entry struct {
	Verb      string
	Container *inventory.Container // nil for verbs that are on none
	Principal inventory.Principal
	Recording *inventory.Recording // of a session, where there is one: part of the outcome

	gate    *Gate
	request *Request
	silent  bool
}

// Enter passes a session or a read through the gate. For a session the audit intent is durable
// when it returns, and the caller has to call Leave with how it ended; a read leaves no record.
func (g *Gate) Enter(ctx context.Context, r Request) (*Entry, error) {
	v, err := g.verb(r.Verb)
	if err != nil {
		return nil, err
	}
	if v.Mode != ModeSession && v.Mode != ModeRead {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is no session and no read: it is a %s", v.Name, v.Mode)
	}
	if err := g.admitCaller(ctx, v, &r); err != nil {
		return nil, err
	}
	e := &Entry{Verb: v.Name, Container: r.Container, Principal: r.Principal, gate: g, request: &r,
		silent: v.Mode == ModeRead}
	a := &attempt{draft: &Draft{}, plan: &inventory.Plan{Verb: v.Name, Args: r.Args, Risk: v.Risk, Interrupts: v.Interrupts}}
	if err := a.identify(v, &r); err != nil && !e.silent { // a read may be on nothing in particular
		return nil, err
	}
	a.plan.Subject = a.subject
	a.decision = g.Policy.Review(ctx, &r, a.plan)
	if d := a.decision; d.Verdict != Allow {
		// Neither can be held open for approvals: what it lacks is why it is refused.
		d.Reasons = slices.Concat(d.Reasons, inventory.ConditionTexts(d.Needs))
		return nil, g.refuse(ctx, v, &r, a, a.denied(d))
	}
	if e.silent {
		return e, nil
	}
	if len(v.From) > 0 && !slices.Contains(v.From, r.Observed.State) {
		return nil, g.refuse(ctx, v, &r, a, inventory.Errorf(inventory.ErrState, "%s is %s; %s needs it %s",
			a.name, r.Observed.State, v.Command, inventory.JoinStates(v.From)))
	}
	a.plan.Policy = g.Policy.Revision()
	r.Session = cmp.Or(r.Session, inventory.SessionID(inventory.NewID(g.Now())))
	rec := e.about(inventory.RecordIntent)
	rec.Detail, rec.Decision = inventory.RecordArgs(r.Args), a.decided(&r)
	return e, g.record(ctx, rec)
}

// Session joins the entry's records: the request's, or a new one.
func (e *Entry) Session() inventory.SessionID { return e.request.Session }

// Leave records how the session ended. detail is put into the record as JSON; it must hold no
// secret.
func (e *Entry) Leave(result string, detail any) error {
	if e.silent {
		return nil
	}
	rec := e.about(inventory.RecordOutcome)
	rec.Result, rec.Recording = result, e.Recording
	if detail != nil {
		rec.Detail, _ = json.Marshal(detail)
	}
	return e.gate.record(context.Background(), rec)
}

func (e *Entry) about(kind inventory.RecordKind) inventory.Record {
	rec := inventory.Record{Kind: kind, Verb: e.Verb, Principal: e.Principal, Session: e.request.Session,
		Reason: e.request.Reason, Ticket: e.request.Ticket}
	if c := e.Container; c != nil {
		rec.Subject, rec.Name, rec.Project = "container:"+string(c.ID), c.Name, c.Project
	}
	return rec
}
