// Package affinity keeps the rules about which containers of an application may share a host, and
// judges containers by them. A rule is checked whenever a container comes to be on a host: create,
// start, restore from the trash, and changes of what makes it a member. A rule that is made later
// than its members moves nobody: it stands as violated until somebody does.
package affinity

import (
	"context"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Store keeps the rules.
type Store interface {
	Affinities(ctx context.Context) ([]inventory.Affinity, error)
	SaveAffinity(ctx context.Context, a inventory.Affinity) error
	DeleteAffinity(ctx context.Context, app string) error
}

// containers are all that are known, on every host.
type containers interface {
	AllContainers(ctx context.Context) ([]*inventory.Container, error)
}

// Service has the verbs. Safe for concurrent use.
type Service struct {
	store      Store
	containers containers
	now        func() time.Time
}

// New returns a service without side effects.
func New(store Store, c containers, now func() time.Time) *Service {
	return &Service{store: store, containers: c, now: now}
}

// Place judges a container as it is to be on its host: ErrDenied with a sentence for what a rule
// forbids, and a line of the plan for what a wish would rather not have.
func (s *Service) Place(ctx context.Context, c *inventory.Container) ([]inventory.EffectLine, error) {
	if c.Labels[inventory.AppLabel] == "" {
		return nil, nil
	}
	rules, err := s.store.Affinities(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.containers.AllContainers(ctx)
	if err != nil {
		return nil, err
	}
	var lines []inventory.EffectLine
	for _, rule := range rules {
		violation := rule.Violation(c, all)
		switch {
		case violation == "":
		case rule.Prefer:
			lines = append(lines, inventory.EffectLine{Field: "placement", After: "against a wish", Note: violation})
		default:
			return nil, rule.Refusal(c, violation)
		}
	}
	return lines, nil
}

// A Standing is a rule with what breaks it now.
type Standing struct {
	inventory.Affinity
	Violations []string
}

// Standings are all rules, sorted by application.
func (s *Service) Standings(ctx context.Context) ([]Standing, error) {
	rules, err := s.store.Affinities(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.containers.AllContainers(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Standing, len(rules))
	for i, rule := range rules {
		out[i].Affinity = rule
		for _, c := range all {
			if v := rule.Violation(c, all); v != "" {
				out[i].Violations = append(out[i].Violations, c.Ref().String()+": "+v)
			}
		}
		slices.Sort(out[i].Violations)
	}
	return out, nil
}

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	// What a step saves is durable when the next one begins: the old rule is noted first.
	look := gate.Step{Name: "look", Do: s.look}
	return []gate.Verb{
		{Name: "affinity.view", Right: inventory.RightView, Mode: gate.ModeRead, Risk: inventory.RiskLow,
			Command: "affinity list"},
		{Name: "affinity.add", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "affinity add", Subject: subject, Prepare: s.prepareAdd,
			Steps: []gate.Step{look, {Name: "save", Do: s.save, Undo: s.saveBack}}},
		{Name: "affinity.remove", Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Command: "affinity remove", Subject: subject, Prepare: s.prepareRemove,
			Steps: []gate.Step{look, {Name: "remove", Do: s.remove, Undo: s.saveBack}}},
	}
}
