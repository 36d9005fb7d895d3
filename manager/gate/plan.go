package gate

import (
	"crypto/rand"
	"time"

	"lodge/inventory"
)

// planLifetime is how long a plan may wait for approvals.
const planLifetime = 7 * 24 * time.Hour

// newPlan makes the plan of a prepared request. nonce and expiry are fresh unless an earlier plan
// is given: then they are that plan's, so that an unchanged world gives an equal digest.
func (g *Gate) newPlan(v Verb, r *Request, d *Draft, subject string,
	earlier *inventory.Plan) (*inventory.Plan, error) {
	p := &inventory.Plan{
		Verb: v.Name, Subject: subject, Args: r.Args, Effects: d.Effects, HostID: g.Host,
		Policy: g.Policy.Revision(), Risk: v.Risk, Interrupts: v.Interrupts,
		Expiry: g.Now().Add(planLifetime).UTC().Truncate(time.Second), Nonce: rand.Text(),
	}
	if d.Interrupts != "" {
		p.Interrupts = d.Interrupts
	}
	if r.Container != nil {
		p.Container, p.Base = r.Container.ID, r.Container.Revision
	}
	if earlier != nil {
		p.Expiry, p.Nonce = earlier.Expiry, earlier.Nonce
	}
	for _, s := range v.Steps {
		p.Steps = append(p.Steps, s.Name)
	}
	digest, err := inventory.PlanDigest(p)
	p.Digest = digest
	return p, err
}
