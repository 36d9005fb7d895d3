package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	// mostLooks bounds how many requests a comparison thinks through: one or two seconds of work.
	mostLooks = 20_000
	// mostLines bounds what it tells of, and mostNames the containers a line names.
	mostLines = 100
	mostNames = 5
)

func hour(n int) time.Duration { return time.Duration(n) * time.Hour }

// changedRules are the policies that are in one set and not, or not alike, in the other.
func changedRules(old, now *set) (changed []*rule, lines []inventory.EffectLine) {
	in := func(s *set, r *rule) *rule {
		i := slices.IndexFunc(s.rules, func(o *rule) bool { return o.id == r.id })
		if i < 0 {
			return nil
		}
		return s.rules[i]
	}
	for _, r := range now.rules {
		was := in(old, r)
		switch {
		case r.base || was != nil && was.same(r):
			continue
		case was != nil:
			changed = append(changed, was)
			lines = append(lines, inventory.EffectLine{Field: "policy." + r.id, Before: was.what(), After: r.what(), Note: "changed"})
		default:
			lines = append(lines, inventory.EffectLine{Field: "policy." + r.id, After: r.what()})
		}
		changed = append(changed, r)
	}
	for _, r := range old.rules {
		if !r.base && in(now, r) == nil {
			changed = append(changed, r)
			lines = append(lines, inventory.EffectLine{Field: "policy." + r.id, Before: r.what()})
		}
	}
	for i := range lines {
		lines[i].Effect, lines[i].Risk = inventory.EffectLive, inventory.RiskHigh
	}
	return changed, lines
}

// same reports whether two policies of one name say the same.
func (r *rule) same(other *rule) bool {
	return string(r.policy.MarshalCedar()) == string(other.policy.MarshalCedar())
}

// what is what a policy does where it matches.
func (r *rule) what() string {
	if r.holds() {
		return "hold: " + r.needs.String()
	}
	return string(effectOf(r))
}

func effectOf(r *rule) inventory.PolicyEffect {
	switch {
	case r.holds():
		return inventory.PolicyHolds
	case r.policy.Effect() == cedar.Permit:
		return inventory.PolicyPermits
	}
	return inventory.PolicyForbids
}

// foresee tells which decisions about the present inventory change with another set: by whom, what,
// on what. Only what a changed policy is about is thought through in full.
func (s *Service) foresee(ctx context.Context, a *around, old, now *set, changed []*rule) ([]inventory.EffectLine, error) {
	all, err := s.Containers.ContainersOnHost(ctx, s.Host)
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	w := &comparison{Service: s, old: old, now: now, some: &set{rules: changed}, found: map[change][]string{}}
	verbs := s.askable(changed)
	for _, p := range a.everybody() {
		for _, v := range verbs {
			w.look(&scene{around: a, principal: p, verb: v}, nil)
			if v.Subject != nil {
				continue
			}
			for _, c := range all {
				if w.looks >= mostLooks {
					return w.lines(), ctx.Err()
				}
				w.look(&scene{around: a, principal: p, verb: v, container: c}, c)
			}
		}
	}
	return w.lines(), ctx.Err()
}

// askable are the verbs that one of the policies could be about, by name.
func (s *Service) askable(some []*rule) (verbs []gate.Verb) {
	for _, v := range s.lang.verbs {
		c := candidates{action: action(v.Name), groups: s.lang.actions[action(v.Name)].Parents}
		if v.Mode != gate.ModeDecision && slices.ContainsFunc(some, func(r *rule) bool { return c.fitsAction(r.head.Action) }) {
			verbs = append(verbs, v)
		}
	}
	slices.SortFunc(verbs, func(x, y gate.Verb) int { return strings.Compare(x.Name, y.Name) })
	return verbs
}

// A change is one line of a comparison: the same for several containers.
type change struct{ who, verb, before, after string }

type comparison struct {
	*Service
	old, now *set
	some     *set // the policies that differ
	looks    int
	found    map[change][]string
	order    []change
}

// look compares one decision.
func (w *comparison) look(c *scene, on *inventory.Container) {
	onContainer := c.verb.Mode != gate.ModeRead && c.verb.Subject == nil
	if onContainer != (on != nil) && c.verb.Mode != gate.ModeRead {
		return
	}
	if !w.hasRight(c) {
		return
	}
	w.looks++
	if on != nil {
		c.state = w.Observer.Observe(on).State
	}
	q := c.question()
	if f := judge(w.lang, w.some, q); len(f.Policies) == 0 {
		return // none that differs is about it
	}
	before, after := inWords(judge(w.lang, w.old, q)), inWords(judge(w.lang, w.now, q))
	if before == after {
		return
	}
	key := change{c.principal.Name, c.verb.Name, before, after}
	if _, seen := w.found[key]; !seen {
		w.order = append(w.order, key)
	}
	name := ""
	if on != nil {
		name = containerKey(on)
	}
	w.found[key] = append(w.found[key], name)
}

func inWords(f finding) string {
	if f.Verdict != gate.Hold {
		return string(f.Verdict)
	}
	return "hold: " + strings.Join(inventory.ConditionTexts(f.Needs), ", ")
}

func (w *comparison) lines() (lines []inventory.EffectLine) {
	for i, key := range w.order {
		if i == mostLines {
			return append(lines, inventory.EffectLine{Field: "...", After: fmt.Sprintf("and %d more", len(w.order)-i)})
		}
		names := slices.DeleteFunc(w.found[key], func(name string) bool { return name == "" })
		slices.Sort(names)
		note := strings.Join(names[:min(len(names), mostNames)], ", ")
		if more := len(names) - mostNames; more > 0 {
			note += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, inventory.EffectLine{Field: key.who + " " + key.verb, Before: key.before, After: key.after, Note: note})
	}
	if w.looks >= mostLooks {
		lines = append(lines, inventory.EffectLine{Field: "...", After: fmt.Sprintf("the first %d requests were looked at", mostLooks)})
	}
	return lines
}
