// Package policy judges requests that have the right but may still need somebody else's agreement.
// In this first form one host setting names the verbs that wait for an approval; the language of
// policies takes its place behind the same two methods.
package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// holdSetting names the verbs that wait for an approval.
const holdSetting = "policy.hold"

// hostSettings is the part of the store that holds the policies' source.
type hostSettings interface {
	HostSettings(ctx context.Context) (map[string]string, error)
}

// Set is the policies in force. Its zero value is useless; see New.
type Set struct{ source hostSettings }

// New returns the policies that the host's settings describe, read afresh for every request.
func New(source hostSettings) *Set { return &Set{source} }

// Settings returns the rows this package reads.
func Settings() []inventory.Setting {
	return []inventory.Setting{{Name: holdSetting, Scopes: []inventory.Scope{inventory.ScopeHost},
		Type: inventory.TypeVerbs, Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
		Doc: "Verbs that wait for the approval of a second person, separated by spaces: container.purge container.delete. Once set, changing it waits too."}}
}

// Review holds the verbs the setting names for somebody else's approval, and as long as it names any,
// what would change the policies themselves: whom they hold can't let go of them. What
// the agent does by itself was decided when it was scheduled. Settings that can't be read are a deny.
func (s *Set) Review(ctx context.Context, r *gate.Request, p *inventory.Plan) gate.Decision {
	held, err := s.held(ctx)
	if err != nil {
		return gate.Decision{Verdict: gate.Deny,
			Reasons: []string{"the policies can't be read: " + err.Error()}}
	}
	if r.Principal.Kind == inventory.KindSystem {
		return gate.Decision{Verdict: gate.Allow}
	}
	why := ""
	switch {
	case slices.Contains(held, r.Verb):
		why = holdSetting + " names " + r.Verb
	case len(held) > 0 && slices.ContainsFunc(p.Effects, touchesPolicies):
		why = "it would change the policies in force (" + holdSetting + ")"
	default:
		return gate.Decision{Verdict: gate.Allow}
	}
	return gate.Decision{Verdict: gate.Hold, Reasons: []string{why}, Needs: []inventory.Condition{{Approvals: 1, Policy: holdSetting}}}
}

func touchesPolicies(e inventory.EffectLine) bool {
	return strings.HasPrefix(e.Field, "policy.") || strings.HasPrefix(e.Field, "change.") ||
		strings.HasPrefix(e.Field, "window.")
}

// Revision is a hash of the policies' text, or "unreadable".
func (s *Set) Revision() string {
	held, err := s.held(context.Background())
	if err != nil {
		return "unreadable"
	}
	sum := sha256.Sum256([]byte(strings.Join(held, " ")))
	return hex.EncodeToString(sum[:8])
}

func (s *Set) held(ctx context.Context) ([]string, error) {
	values, err := s.source.HostSettings(ctx)
	return strings.Fields(values[holdSetting]), err
}
