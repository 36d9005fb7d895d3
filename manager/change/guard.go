package change

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// windows keeps when containers may be changed.
type windows interface {
	Windows(ctx context.Context) ([]inventory.Window, error)
	SaveWindow(ctx context.Context, w inventory.Window) error
	DeleteWindow(ctx context.Context, name string) error
}

// A Guard asks the policies first and then the windows. Windows are no part of the policies'
// revision: they are judged as they are when a plan is to begin, and one that was made meanwhile
// holds it without making it void.
type Guard struct {
	gate.Policy
	Changes *Service
}

// Review implements gate.Policy.
func (g Guard) Review(ctx context.Context, r *gate.Request, p *inventory.Plan) gate.Decision {
	d := g.Policy.Review(ctx, r, p)
	glass := r.Principal.Override && d.Verdict == gate.Allow // the policies know who may
	if d.Verdict == gate.Deny || r.Principal.Kind == inventory.KindSystem || glass {
		return d
	}
	return g.Changes.within(ctx, r, p, d)
}

// within adds to a decision what the windows of the request's container have to say. What is outside
// every window is held for one of them. In a freeze a new request is refused; one that waited before
// waits on, and a draft may be kept.
func (s *Service) within(ctx context.Context, r *gate.Request, p *inventory.Plan, d gate.Decision) gate.Decision {
	all, err := s.Store.Windows(ctx)
	if err != nil {
		return gate.Decision{Verdict: gate.Deny, Reasons: []string{"the windows can't be read: " + err.Error()}}
	}
	now, open := s.Now(), false
	var names []string
	var opens time.Time
	for _, w := range all {
		if mutates := len(p.Steps) > 0; !w.Covers(r.Verb, mutates, r.Container) && !w.Covers(r.Verb, mutates, r.After) {
			continue
		}
		switch next := w.NextOpen(now); {
		case w.Freeze && w.IsOpen(now):
			if d = frozen(r, w, d, now); d.Verdict == gate.Deny {
				return d
			}
		case !w.Freeze:
			names, open = append(names, w.Name), open || w.IsOpen(now)
			if opens.IsZero() || !next.IsZero() && next.Before(opens) {
				opens = next
			}
		}
	}
	if len(names) == 0 || open {
		return d
	}
	why := "it is outside window " + strings.Join(names, ", ")
	if !opens.IsZero() {
		why += ", which opens at " + opens.Format(time.RFC3339)
	}
	return hold(d, strings.Join(names, ","), why)
}

func frozen(r *gate.Request, w inventory.Window, d gate.Decision, now time.Time) gate.Decision {
	why := "freeze " + w.Name
	if w.Reason != "" {
		why += " (" + w.Reason + ")"
	}
	if end := w.NextClosed(now); !end.IsZero() {
		why += " until " + end.Format(time.RFC3339)
	}
	if r.Change != "" || r.Draft || r.Emergency {
		return hold(d, w.Name, why)
	}
	return gate.Decision{Verdict: gate.Deny, Reasons: []string{why + "; --draft keeps the plan for later"}}
}

func hold(d gate.Decision, window, why string) gate.Decision {
	d.Verdict, d.Reasons = gate.Hold, append(slices.Clone(d.Reasons), why)
	d.Needs = append(slices.Clone(d.Needs), inventory.Condition{Window: window, Policy: "window"})
	return d
}

// calendar is what the conditions say about time: each names a window, several of which one is
// enough, or a freeze. One that does not exist is never open.
func (s *Service) calendar(ctx context.Context, needs []inventory.Condition) (c inventory.Calendar, err error) {
	var all []inventory.Window
	for _, need := range needs {
		if need.Window == "" {
			continue
		}
		if all == nil {
			if all, err = s.Store.Windows(ctx); err != nil {
				return c, fmt.Errorf("the windows can't be read: %w", err)
			}
		}
		group := []inventory.Window{}
		for _, w := range all {
			if !slices.Contains(strings.Split(need.Window, ","), w.Name) {
				continue
			}
			if w.Freeze {
				c.Freezes, group = append(c.Freezes, w), nil
				break
			}
			group = append(group, w)
		}
		if group != nil {
			c.Groups = append(c.Groups, group)
		}
	}
	return c, nil
}
