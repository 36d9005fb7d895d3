package policy

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

//go:embed corpus.txt
var corpusText string

// isWanted reports whether a verdict is what is wanted: one of the verdicts, or pass for all but deny.
func isWanted(want string, got gate.Verdict) bool {
	return want == string(got) || want == wantPass && got != gate.Deny
}

const wantPass = "pass"

// corpus are the decisions every host expects.
func corpus() (all []inventory.Expectation, err error) {
	for n, line := range strings.Split(corpusText, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 4 {
			return nil, fmt.Errorf("corpus.txt:%d: it has %d words, not 4", n+1, len(words))
		}
		all = append(all, inventory.Expectation{As: words[0], Verb: words[1], On: strings.TrimPrefix(words[2], "-"), Want: words[3]})
	}
	return all, nil
}

// replay holds a set against all that is expected: by every host, and by this site. The error names
// each decision that would be another. What is expected of somebody, or on something, that is gone
// expects nothing.
func (s *Service) replay(ctx context.Context, a *around, now *set) error {
	all, err := corpus()
	if err != nil {
		return err
	}
	site, err := s.Expectations.Expectations(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for _, e := range append(all, site...) {
		got, gone, err := s.meets(ctx, a, now, e)
		switch {
		case gone:
			continue
		case err != nil:
			return err
		case !isWanted(e.Want, got.Verdict):
			wrong = append(wrong, fmt.Sprintf("%s is expected to be %s, and would be %s (%s)", sentence(e), e.Want, got.Verdict,
				strings.Join(got.Policies, ", ")))
		}
	}
	if len(wrong) > 0 {
		return inventory.Errorf(inventory.ErrInvalid, "these policies decide otherwise than is expected of them; the old ones stay:\n%s",
			strings.Join(wrong, "\n"))
	}
	return nil
}

func sentence(e inventory.Expectation) string {
	return strings.TrimSpace(e.As + " " + e.Verb + " " + e.On)
}

// meets asks what is expected. gone says that there is nobody, or nothing, to ask about.
func (s *Service) meets(ctx context.Context, a *around, now *set, e inventory.Expectation) (f finding, gone bool, err error) {
	v, known := s.lang.verbs[e.Verb]
	if !known {
		return f, true, nil
	}
	c, err := s.scene(ctx, a, e.As, v, e.On, "")
	if kind, ok := inventory.Kind(err); ok && kind.Err == inventory.ErrNotFound {
		return f, true, nil
	}
	if err != nil {
		return f, false, err
	}
	f = s.decide(now, c.question())
	if !s.hasRight(c) {
		f.Verdict = gate.Deny
	}
	return f, false, nil
}

// lockout refuses a set with which nobody could change the policies any more: not one administrator
// who would be allowed to at some hour of the week, if those agree who can.
func (s *Service) lockout(a *around, now *set) error {
	hours := []int{0}
	for h := 1; h < 7*24; h++ {
		hours = append(hours, h)
	}
	asked := false
	for _, p := range a.everybody() {
		if !a.Allows(p, inventory.RightPolicy, nil, a.now) {
			continue
		}
		for _, h := range hours {
			at := *a
			at.now = a.now.Add(hour(h))
			at.version = max(now.version, 1)
			c := &scene{around: &at, principal: p, verb: s.lang.verbs[setVerb]}
			asked = true
			if q := c.question(); s.canPass(now, q, judge(s.lang, now, q)) {
				return nil
			}
		}
	}
	if !asked {
		return nil // nobody could before
	}
	return inventory.Errorf(inventory.ErrInvalid, "with these policies nobody could change them any more; the old ones stay")
}

// canPass reports whether a decision lets the question through some day: at once, or when those agree
// who can, and may decide by the same policies. It asks for nothing that nobody can give.
func (s *Service) canPass(now *set, q *question, f finding) bool {
	if f.Verdict == gate.Deny {
		return false
	}
	for _, need := range f.Needs {
		others := q.around.others(q.request.Principal, need.Role, nil)
		if len(others) == 0 && need.Approvals > 0 && strings.HasPrefix(need.Policy, basePrefix) {
			continue // a lone administrator may still choose a delay in place of another
		}
		able := 0
		for _, p := range others {
			decides := &scene{around: q.around, principal: p, verb: s.lang.verbs[approveVerb]}
			if judge(s.lang, now, decides.question()).Verdict == gate.Allow {
				able++
			}
		}
		if need.Approvals > able {
			return false
		}
	}
	return true
}
