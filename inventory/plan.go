package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// PlanDigest is "sha256:" and the hash over the canonical JSON of the plan's binding fields: verb,
// container, subject, base revision, parameters, effects, host, policy revision, expiry, nonce.
// Estimates and texts stay outside, so they may change without voiding an approval.
func PlanDigest(p *Plan) (string, error) {
	bound := *p
	bound.Digest, bound.Risk, bound.Interrupts, bound.Verdict = "", "", "", ""
	bound.Steps, bound.Reasons, bound.Foresees = nil, nil, nil
	raw, err := json.Marshal(bound)
	if err != nil {
		return "", fmt.Errorf("digest of a %s plan: %w", p.Verb, err)
	}
	ordered, err := canonical(raw)
	if err != nil {
		return "", fmt.Errorf("digest of a %s plan: %w", p.Verb, err)
	}
	sum := sha256.Sum256(ordered)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// canonical rewrites one JSON value so that equal values have equal bytes: keys sorted, no blanks,
// numbers as they were written, no HTML escapes.
func canonical(raw []byte) ([]byte, error) {
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
