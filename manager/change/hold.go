package change

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Hold implements gate.Changes: it keeps a plan that lacks something, and lets go of one that lacks
// nothing.
func (s *Service) Hold(ctx context.Context, h gate.Held) (inventory.Change, bool, error) {
	if h.Change != nil && h.Change.State != inventory.ChangeDraft {
		return s.look(ctx, *h.Change, h.Needs)
	}
	c, again, err := s.newChange(ctx, h)
	if err != nil || again {
		return c, false, err
	}
	if h.Request.Draft {
		c.State = inventory.ChangeDraft
		return s.keep(ctx, c, "change.draft")
	}
	c.SubmittedAt = s.Now()
	if h.Request.Emergency {
		return s.emergency(ctx, c)
	}
	if err := s.classify(ctx, &c); err != nil {
		return c, false, err
	}
	if c.Missing = s.missing(ctx, c, c.Needs); len(c.Missing) == 0 {
		return c, true, nil
	}
	s.place(ctx, &c, c.Needs)
	return s.keep(ctx, c, "change.submit")
}

// newChange is the change a held request becomes, or, with again, became: by its idempotency key.
func (s *Service) newChange(ctx context.Context, h gate.Held) (c inventory.Change, again bool, err error) {
	r := h.Request
	if h.Change != nil { // a draft
		c = *h.Change
		c.Plan, c.Needs = *h.Plan, h.Needs
		return c, false, nil
	}
	if r.Key != "" {
		if c, again, err = s.Store.ChangeOfKey(ctx, r.Principal.Name, r.Verb, r.Key); again || err != nil {
			return c, again, err
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return c, false, err
	}
	now := s.Now()
	c = inventory.Change{ID: inventory.ChangeID(inventory.NewID(now)), State: inventory.ChangeSubmitted,
		Class: inventory.ClassNormal, Plan: *h.Plan, Name: h.Name, Project: h.Project, Request: raw, Key: r.Key,
		Requester: r.Principal, Reason: r.Reason, Ticket: r.Ticket, Needs: h.Needs, CreatedAt: now}
	if on := cmp.Or(r.Container, r.After); on != nil {
		c.Environment = on.Environment
	}
	return c, false, nil
}

// classify makes a change standard whose verb is approved beforehand: no approvals are asked for.
func (s *Service) classify(ctx context.Context, c *inventory.Change) error {
	verbs, err := s.value(ctx, standardSetting)
	if err != nil || !slices.Contains(strings.Fields(verbs), c.Plan.Verb) {
		return err
	}
	c.Class = inventory.ClassStandard
	c.Needs = slices.Clone(c.Needs)
	for i := range c.Needs {
		c.Needs[i].Approvals, c.Needs[i].Role = 0, ""
	}
	return nil
}

// emergency lets a plan run at once, and opens a review of it.
func (s *Service) emergency(ctx context.Context, c inventory.Change) (inventory.Change, bool, error) {
	const verb = "change.emergency"
	if c.Reason == "" {
		return c, false, inventory.Errorf(inventory.ErrInvalid, "an emergency needs a reason: --reason TEXT")
	}
	if !s.Rights.Allowed(c.Requester, inventory.RightEmergency, s.subject(ctx, c)) {
		return c, false, s.deny(ctx, c, verb, c.Requester, "that takes the right \""+string(inventory.RightEmergency)+"\"")
	}
	if i := slices.IndexFunc(c.Needs, func(need inventory.Condition) bool { return need.Firm }); i >= 0 {
		return c, false, s.deny(ctx, c, verb, c.Requester, "policy "+c.Needs[i].Policy+" yields to no emergency; it "+
			"waits without --emergency, and root may --break-glass")
	}
	due, err := s.duration(ctx, reviewSetting)
	if err != nil {
		return c, false, err
	}
	c.Class, c.Review = inventory.ClassEmergency, inventory.Review{Due: s.Now().Add(due)}
	err = s.record(ctx, c, verb, c.Requester, "runs at once; a review is due at "+c.Review.Due.Format(timeText))
	s.Boundary(verb, "run", "before")
	return c, err == nil, err
}

// keep writes a change that waits, after the journal.
func (s *Service) keep(ctx context.Context, c inventory.Change, verb string) (inventory.Change, bool, error) {
	rec := recordOf(c, verb, c.Requester, string(c.State))
	rec.Kind, rec.Detail = inventory.RecordIntent, inventory.RecordArgs(c.Plan.Args)
	if err := s.gate.Fact(ctx, rec); err != nil {
		return c, false, err
	}
	s.Boundary(verb, "keep", "before")
	write := s.Store.AddChange
	if c.Number > 0 {
		write = s.Store.UpdateChange
	}
	c, err := write(ctx, c)
	s.Boundary(verb, "keep", "after")
	return c, false, err
}

// look judges a change that is being released by what the policies ask for now.
func (s *Service) look(ctx context.Context, c inventory.Change, needs []inventory.Condition) (inventory.Change, bool, error) {
	if c.Class == inventory.ClassStandard { // as long as its verb is one
		asked := inventory.Change{Plan: c.Plan, Needs: needs}
		if err := s.classify(ctx, &asked); err != nil {
			return c, false, err
		}
		needs = asked.Needs
	}
	c.Needs = inventory.CombineConditions(slices.Concat(c.Needs, needs))
	was := c.State
	if c.Missing = s.missing(ctx, c, needs); len(c.Missing) == 0 {
		return c, true, nil
	}
	s.place(ctx, &c, needs)
	if c.State == inventory.ChangeScheduled && was != c.State {
		err := s.record(ctx, c, "change.schedule", inventory.System("schedule"), "begins "+c.Release.Format(timeText))
		if err != nil {
			return c, false, err
		}
		s.Boundary("change.schedule", "place", "before")
	}
	c, err := s.Store.UpdateChange(ctx, c)
	s.Boundary("change.schedule", "place", "after")
	return c, false, err
}

const timeText = "2006-01-02T15:04:05Z07:00"

// place sets the state of a change that lacks something, and when it begins by itself.
func (s *Service) place(ctx context.Context, c *inventory.Change, needs []inventory.Condition) {
	c.State, c.Release = inventory.ChangeSubmitted, time.Time{}
	if inventory.LacksApprovals(c.Missing) {
		return
	}
	c.State, c.Release = inventory.ChangeScheduled, s.opening(ctx, *c, needs)
	switch {
	case c.Release.IsZero():
		c.State = inventory.ChangeApproved // Tend looks again
	case c.Release.After(c.Plan.Expiry):
		c.Note = "its time comes after the plan expires at " + c.Plan.Expiry.Format(timeText) + "; submit it again then"
	}
}
