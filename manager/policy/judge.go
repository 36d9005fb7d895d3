package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A set is policies that are judged by together.
type set struct {
	version int64 // of the site's part; 0: there is none
	text    string
	rules   []*rule // the base first
	hash    [sha256.Size]byte
	broken  error // why the site's part can't be read; nobody may anything then, but the agent itself
}

// newSet joins rules; texts are all they were read from.
func newSet(version int64, text string, rules []*rule, texts ...string) *set {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d\n%s", len(t), t)
	}
	return &set{version: version, text: text, rules: rules, hash: [sha256.Size]byte(h.Sum(nil))}
}

// revision is what plans carry of the set.
func (s *set) revision() string { return hex.EncodeToString(s.hash[:8]) }

// All are the policies by name, for Cedar.
func (s *set) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range s.rules {
			if !yield(cedar.PolicyID(r.id), r.policy) {
				return
			}
		}
	}
}

func (s *set) rule(id cedar.PolicyID) *rule {
	i := slices.IndexFunc(s.rules, func(r *rule) bool { return r.id == string(id) })
	return s.rules[i]
}

// A finding is a decision with the policies behind it, as 'lodge policy test' shows them.
type finding struct {
	gate.Decision
	matched []inventory.PolicyMatch
	errors  []string // of policies that could not be evaluated
}

// judge asks Cedar, and turns what matched into a decision: a policy that can't be evaluated is a
// deny, and so is a forbid that asks for nothing; what those ask for that ask for something, and is
// not met, is what the plan waits for. Nothing matched is a deny, too.
func judge(l *language, s *set, q *question) (f finding) {
	asked := q.cedar()
	verdict, diagnostic := cedar.Authorize(q.candidates(s, l, asked), &entities{question: q, actions: l.actions, made: cedar.EntityMap{}}, asked)
	if q.around.err != nil {
		return denied("what it depends on can't be read: " + q.around.err.Error())
	}
	if len(diagnostic.Errors) > 0 {
		return broken(diagnostic.Errors)
	}
	matched := make([]*rule, len(diagnostic.Reasons))
	for i, reason := range diagnostic.Reasons {
		matched[i] = s.rule(reason.PolicyID)
	}
	slices.SortFunc(matched, func(a, b *rule) int { return strings.Compare(a.id, b.id) })
	f.Verdict = gate.Allow
	var needs []inventory.Condition
	var refuses, holds []string
	for _, r := range matched {
		m := inventory.PolicyMatch{Name: r.id, Base: r.base, Reason: r.reason, Effect: inventory.PolicyPermits}
		if verdict == cedar.Deny && !r.holds() {
			m.Effect = inventory.PolicyForbids
			refuses = append(refuses, r.why())
		} else if verdict == cedar.Deny {
			m.Effect = inventory.PolicyHolds
			missing, note := q.missing(r)
			if m.Missing = missing.String(); m.Missing != "" {
				needs = append(needs, missing)
				holds = append(holds, strings.TrimSuffix(r.why()+"; "+note, "; "))
			}
		}
		f.matched = append(f.matched, m)
		f.Policies = append(f.Policies, r.id)
	}
	switch {
	case verdict == cedar.Deny && len(matched) == 0:
		return denied("no policy allows it")
	case len(refuses) > 0:
		f.Verdict, f.Reasons = gate.Deny, refuses
	case len(needs) > 0:
		f.Verdict, f.Reasons, f.Needs = gate.Hold, holds, inventory.CombineConditions(needs)
	}
	return f
}

// why is the policy in words.
func (r *rule) why() string {
	return cmp.Or(r.reason, "a policy forbids it") + " (policy " + r.id + ")"
}

func denied(why string) finding {
	return finding{Decision: gate.Decision{Verdict: gate.Deny, Reasons: []string{why}}}
}

// broken is the decision where policies can't be evaluated. Cedar leaves such a policy out: a forbid
// that asks for what isn't there would allow what it forbids.
func broken(all []cedar.DiagnosticError) (f finding) {
	f.Verdict = gate.Deny
	for _, e := range all {
		text := fmt.Sprintf("policy %s can't be evaluated, so nothing it could be about is allowed: %s", e.PolicyID, e.Message)
		f.errors, f.Reasons = append(f.errors, text), append(f.Reasons, text)
		f.Policies = append(f.Policies, string(e.PolicyID))
		f.matched = append(f.matched, inventory.PolicyMatch{Name: string(e.PolicyID), Effect: inventory.PolicyFails, Reason: e.Message})
	}
	slices.Sort(f.Reasons)
	return f
}

// missing is what of a rule's condition is not met, with a note for who asks; its zero value is
// nothing. What the agent does by itself was decided when it was scheduled, and there is nobody to ask.
func (q *question) missing(r *rule) (left inventory.Condition, note string) {
	if q.request.Principal.Kind == inventory.KindSystem {
		return left, ""
	}
	want, a := r.needs, q.around
	left.Delay = want.Delay
	if want.Approvals > q.by(want.Role) {
		left.Approvals, left.Role = want.Approvals, want.Role
		if len(a.others(q.request.Principal, want.Role, q.container)) == 0 {
			switch {
			case r.solo == "allow":
				left.Approvals, left.Role = 0, ""
			case a.solo() > 0:
				left.Approvals, left.Role, left.Delay = 0, "", max(left.Delay, a.solo())
			default:
				note = "nobody else could agree: give somebody the role " + cmp.Or(want.Role, "approver") +
					", or let a delay stand in with 'lodge config set policy.solo=24h'"
			}
		}
	}
	if since := q.request.Submitted; !since.IsZero() && !a.now.Before(since.Add(left.Delay)) {
		left.Delay = 0
	}
	if want.Window != "" && !slices.Contains(a.windows, want.Window) {
		left.Window = want.Window
	}
	if left != (inventory.Condition{}) {
		left.Policy, left.Firm = r.id, want.Firm
	}
	return left, note
}
