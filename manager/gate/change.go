package gate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"lodge/inventory"
)

// planLifetime is how long a plan may wait for approvals.
const planLifetime = 7 * 24 * time.Hour

// Changes keeps what policies hold; see manager/change.
type Changes interface {
	// Hold judges whether a plan has what it is held for. If not, it is kept as a change when Hold
	// returns; nothing is reserved and no operation exists until it is released. run says that it has
	// all: the change it returns is kept by the admission.
	Hold(ctx context.Context, h Held) (c inventory.Change, run bool, err error)
}

// Held is a request whose plan policies don't simply allow.
type Held struct {
	Request       *Request
	Plan          *inventory.Plan
	Needs         []inventory.Condition
	Name, Project string
	Change        *inventory.Change // the draft or change it is already; nil for a new request
}

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
	if released != nil && released.State != inventory.ChangeDraft {
		p.Expiry, p.Nonce = released.Plan.Expiry, released.Plan.Nonce
	}
	for _, s := range v.Steps {
		p.Steps = append(p.Steps, s.Name)
	}
	digest, err := inventory.PlanDigest(p)
	p.Digest = digest
	return p, err
}

// Release runs begin again in full, as the requester, for a plan that was kept. ErrStale says that
// it would now be another: its revision or the policies moved. A draft has promised nothing: it is
// planned afresh, and held or run like a new request. agreed are the approvals that count.
func (g *Gate) Release(ctx context.Context, c inventory.Change, agreed []inventory.Approval) (Answer, error) {
	if c.State != inventory.ChangeDraft {
		if now, err := g.Replan(ctx, c); err != nil {
			return Answer{}, err
		} else if now.Digest != c.Plan.Digest {
			return Answer{}, inventory.Errorf(inventory.ErrStale,
				"what it would change has moved since it was planned; submit it again")
		}
	}
	r, err := requestOf(c)
	if err != nil {
		return Answer{}, err
	}
	r.Approvals = agreed
	return g.begin(inventory.WithPrincipal(ctx, c.Requester), r, &c)
}

// Replan makes the change's plan as it would be now, with its own nonce and expiry.
func (g *Gate) Replan(ctx context.Context, c inventory.Change) (*inventory.Plan, error) {
	r, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	v, err := g.verb(r.Verb)
	if err != nil {
		return nil, err
	}
	if err := g.admitCaller(inventory.WithPrincipal(ctx, c.Requester), v, &r); err != nil {
		return nil, err
	}
	a, err := g.prepare(ctx, v, &r, &c)
	if err != nil {
		return nil, err
	}
	return a.plan, nil
}

// requestOf is the request a change was kept for. It runs once, whatever key it came with.
func requestOf(c inventory.Change) (r Request, err error) {
	err = json.Unmarshal(c.Request, &r)
	r.Args, r.Change, r.Key, r.Draft = c.Plan.Args, c.ID, "change:"+string(c.ID), false
	r.Submitted = c.SubmittedAt
	return r, err
}
