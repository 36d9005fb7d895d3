package gate

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
	digest, err := Digest(p)
	p.Digest = digest
	return p, err
}

// Digest is "sha256:" and the hash over the canonical JSON of the plan's binding fields: verb,
// container, subject, base revision, parameters, effects, host, policy revision, expiry, nonce.
// Estimates and texts stay outside, so they may change without voiding an approval.
func Digest(p *inventory.Plan) (string, error) {
	bound := *p
	bound.Digest, bound.Risk, bound.Interrupts, bound.Verdict = "", "", "", ""
	bound.Steps, bound.Reasons = nil, nil
	raw, err := json.Marshal(bound)
	if err != nil {
		return "", fmt.Errorf("digest of a %s plan: %w", p.Verb, err)
	}
	canonical, err := Canonical(raw)
	if err != nil {
		return "", fmt.Errorf("digest of a %s plan: %w", p.Verb, err)
	}
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Canonical rewrites one JSON value so that equal values have equal bytes: keys sorted, no blanks,
// numbers as they were written, no HTML escapes.
func Canonical(raw []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // maps are written with sorted keys
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
