package gate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"lodge/inventory"
)

// planLifetime is how long a plan may wait for approvals.
const planLifetime = 7 * 24 * time.Hour

// newPlan makes the plan of a prepared request. nonce and expiry are fresh unless a change
// is released: then they are its plan's, so that an unchanged world gives an equal digest.
func (g *Gate) newPlan(v Verb, r *Request, d *Draft, subject string,
	released *inventory.Change) (*inventory.Plan, error) {
	p := &inventory.Plan{
		Verb: v.Name, Subject: subject, Args: r.Args, Effects: d.Effects, HostID: g.Host,
		Policy: g.Policy.Revision(), Risk: v.Risk, Interrupts: v.Interrupts, Foresees: d.Foresees,
		Expiry: g.Now().Add(planLifetime).UTC().Truncate(time.Second), Nonce: rand.Text(),
	}
	if d.Interrupts != "" {
		p.Interrupts = d.Interrupts
	}
	if r.Container != nil {
		p.Container, p.Base = r.Container.ID, r.Container.Revision
	}
	if released != nil {
		p.Expiry, p.Nonce = released.Plan.Expiry, released.Plan.Nonce
	}
	for _, s := range v.Steps {
		p.Steps = append(p.Steps, s.Name)
	}
	digest, err := inventory.PlanDigest(p)
	p.Digest = digest
	return p, err
}

// hold keeps a plan that needs others as a change. Nothing is reserved and no operation exists
// until it is released.
func (g *Gate) hold(ctx context.Context, r *Request, a *attempt) (Answer, error) {
	if a.change != nil { // being released, and still not enough
		a.change.Needs = a.decision.Needs
		return Answer{Change: a.change}, g.Store.UpdateChange(ctx, inventory.ChangeSubmitted, *a.change)
	}
	request, err := json.Marshal(r)
	if err != nil {
		return Answer{}, err
	}
	now := g.Now()
	c := inventory.Change{ID: inventory.ChangeID(inventory.NewID(now)), State: inventory.ChangeSubmitted,
		Plan: *a.plan, Request: request, Requester: r.Principal, Reason: r.Reason, Ticket: r.Ticket,
		Needs: a.decision.Needs, CreatedAt: now}
	rec := changeRecord(c, "change.submit", r.Principal)
	rec.Kind, rec.Subject, rec.Name, rec.Project = inventory.RecordIntent, a.subject, a.name, a.project
	rec.Detail = inventory.RecordArgs(r.Args)
	if err := g.record(ctx, rec); err != nil {
		return Answer{}, err
	}
	return Answer{Change: &c}, g.Store.AddChange(ctx, c)
}

// Approve adds the caller's agreement to the exact plan, and releases the change when the policies
// are content. Release runs begin again in full: a moved revision or policy voids the change.
func (g *Gate) Approve(ctx context.Context, id inventory.ChangeID, note string) (Answer, error) {
	c, p, err := g.decide(ctx, id, "change.approve")
	if err != nil {
		return Answer{}, err
	}
	c.Approvals = append(c.Approvals, inventory.Approval{Principal: p, Digest: c.Plan.Digest, At: g.Now()})
	c.Note = note
	if err := g.record(ctx, changeRecord(c, "change.approve", p)); err != nil {
		return Answer{}, err
	}
	if err := g.Store.UpdateChange(ctx, inventory.ChangeSubmitted, c); err != nil {
		return Answer{}, err
	}
	return g.release(ctx, c)
}

// Reject ends a change with a reason.
func (g *Gate) Reject(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	c, p, err := g.decide(ctx, id, "change.reject")
	if err != nil {
		return c, err
	}
	return g.closeChange(ctx, c, inventory.ChangeRejected, note, "change.reject", p)
}

// CancelChange withdraws a change; its requester may, and whoever has the verb's right.
func (g *Gate) CancelChange(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	c, err := g.waiting(ctx, id)
	if err != nil {
		return c, err
	}
	p, err := g.mayActOn(ctx, changeRecord(c, "change.cancel", inventory.Principal{}), c.Plan.Verb, c.Requester, nil)
	if err != nil {
		return c, err
	}
	return g.closeChange(ctx, c, inventory.ChangeCancelled, note, "change.cancel", p)
}

// decide finds a waiting change and checks that the caller may decide about it: with the right to,
// as somebody other than its requester, once.
func (g *Gate) decide(ctx context.Context, id inventory.ChangeID, verb string) (c inventory.Change,
	p inventory.Principal, err error) {
	if c, err = g.waiting(ctx, id); err != nil {
		return c, p, err
	}
	v, err := g.verb(verb)
	if err != nil {
		return c, p, err
	}
	p, _ = inventory.PrincipalFrom(ctx)
	refused := ""
	switch {
	case !g.Rights.Allowed(p, v.Right, nil):
		refused = fmt.Sprintf("that takes the right %q", v.Right)
	case p.Name == c.Requester.Name:
		refused = "nobody decides about their own change"
	}
	for _, a := range c.Approvals {
		if a.Principal.Name == p.Name {
			refused = "they have approved it already"
		}
	}
	if refused == "" {
		return c, p, nil
	}
	return c, p, g.deny(ctx, changeRecord(c, verb, p), refused)
}

// waiting finds a change that has not been decided; one past its expiry is closed on the way.
func (g *Gate) waiting(ctx context.Context, id inventory.ChangeID) (inventory.Change, error) {
	c, err := g.Store.Change(ctx, id)
	if err != nil {
		return c, err
	}
	if c.State == inventory.ChangeSubmitted && g.Now().After(c.Plan.Expiry) {
		if c, err = g.closeChange(ctx, c, inventory.ChangeExpired, "nobody decided in time",
			"change.expire", inventory.System("expiry")); err != nil {
			return c, err
		}
	}
	if c.State != inventory.ChangeSubmitted {
		return c, inventory.Errorf(inventory.ErrState, "change %s is %s and can't be decided any more", id, c.State)
	}
	return c, nil
}

// release runs begin for the requester. A change whose plan would now be another is void.
func (g *Gate) release(ctx context.Context, c inventory.Change) (Answer, error) {
	var r Request
	if err := json.Unmarshal(c.Request, &r); err != nil {
		return Answer{}, err
	}
	asRequester := inventory.WithPrincipal(ctx, c.Requester)
	r.Args, r.Approvals, r.Submitted, r.Key = c.Plan.Args, c.Approvals, c.CreatedAt, "change:"+string(c.ID)
	if now, err := g.replan(asRequester, r, &c); err != nil || now.Digest != c.Plan.Digest {
		why := "what it would change has moved since it was planned; submit it again"
		if err != nil {
			why = err.Error()
		}
		closed, err := g.closeChange(ctx, c, inventory.ChangeVoid, why, "change.void", inventory.System("release"))
		return Answer{Change: &closed}, err
	}
	answer, err := g.begin(asRequester, r, &c)
	if err != nil || answer.Operation == nil {
		return answer, err
	}
	c.Operation = answer.Operation.ID
	_, err = g.closeChange(ctx, c, inventory.ChangeReleased, c.Note, "change.release", inventory.System("release"))
	return answer, err
}

// replan makes the change's plan afresh, with its own nonce and expiry.
func (g *Gate) replan(ctx context.Context, r Request, c *inventory.Change) (*inventory.Plan, error) {
	v, err := g.verb(r.Verb)
	if err != nil {
		return nil, err
	}
	if err := g.admitCaller(ctx, v, &r); err != nil {
		return nil, err
	}
	a, err := g.prepare(ctx, v, &r, c)
	if err != nil {
		return nil, err
	}
	return a.plan, nil
}

func (g *Gate) closeChange(ctx context.Context, c inventory.Change, state inventory.ChangeState,
	note, verb string, p inventory.Principal) (inventory.Change, error) {
	from := c.State
	c.State, c.Note, c.DecidedAt = state, note, g.Now()
	rec := changeRecord(c, verb, p)
	rec.Result = string(state)
	if err := g.record(ctx, rec); err != nil {
		return c, err
	}
	return c, g.Store.UpdateChange(ctx, from, c)
}

func changeRecord(c inventory.Change, verb string, p inventory.Principal) inventory.Record {
	return inventory.Record{Kind: inventory.RecordFact, Verb: verb, Principal: p, Subject: c.Plan.Subject,
		Change: c.ID, Operation: c.Operation, Reason: c.Reason, Ticket: c.Ticket, Plan: c.Plan.Digest, Result: c.Note}
}
