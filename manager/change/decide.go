package change

import (
	"context"
	"errors"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Approve adds the caller's agreement to the exact plan, and releases the change when it has all it
// needs.
func (s *Service) Approve(ctx context.Context, id inventory.ChangeID, args inventory.ApproveArgs) (gate.Answer, error) {
	const verb = "change.approve"
	if err := inventory.CheckLine("the note", args.Note); err != nil {
		return gate.Answer{}, err
	}
	c, p, err := s.decide(ctx, id, verb)
	if err != nil {
		return gate.Answer{}, err
	}
	keep, err := s.duration(ctx, keepSetting)
	if err != nil {
		return gate.Answer{}, err
	}
	now := s.Now()
	signature, expires, err := s.signed(ctx, c, p, args, now.Add(keep))
	if errors.Is(err, inventory.ErrDenied) {
		err = s.deny(ctx, c, verb, p, err.Error())
	}
	if err != nil {
		return gate.Answer{}, err
	}
	c.Approvals = append(c.Approvals, inventory.Approval{Principal: p, Digest: c.Plan.Digest, At: now,
		Expires: expires, Note: args.Note, Signature: signature})
	if err := s.record(ctx, c, verb, p, args.Note); err != nil {
		return gate.Answer{}, err
	}
	s.Boundary(verb, "write", "before")
	if c.Missing = s.missing(ctx, c, c.Needs); !inventory.LacksApprovals(c.Missing) {
		c.State, c.DecidedAt = inventory.ChangeApproved, now
	}
	if c, err = s.Store.UpdateChange(ctx, c); err != nil {
		return gate.Answer{}, err
	}
	s.Boundary(verb, "write", "after")
	if c.State != inventory.ChangeApproved {
		return gate.Answer{Change: &c}, nil
	}
	return s.release(ctx, c)
}

// Decide makes a decision that releases nothing, by the name of its verb.
func (s *Service) Decide(ctx context.Context, verb string, id inventory.ChangeID, note string) (inventory.Change, error) {
	if err := inventory.CheckLine("the note", note); err != nil {
		return inventory.Change{}, err
	}
	decide, ok := map[string]func(context.Context, inventory.ChangeID, string) (inventory.Change, error){
		"change.reject": s.reject, "change.withdraw": s.withdraw, "change.cancel": s.cancel,
		"change.review": s.review, "change.close": s.close,
	}[verb]
	if !ok {
		return inventory.Change{}, inventory.Errorf(inventory.ErrNotFound, "there is no verb %q", verb)
	}
	return decide(ctx, id, note)
}

// Sees reports whether the caller may know of the change: it is theirs, or they see what it is on,
// or may decide about it.
func (s *Service) Sees(ctx context.Context, c inventory.Change) bool {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok || p.SpeaksFor(c.Requester) {
		return ok
	}
	on := s.subject(ctx, c)
	return s.Rights.Allowed(p, inventory.RightView, on) || s.Rights.Allowed(p, inventory.RightApprove, on)
}

// reject ends a change with a reason.
func (s *Service) reject(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	c, p, err := s.decide(ctx, id, "change.reject")
	if err != nil {
		return c, err
	}
	return s.end(ctx, c, inventory.ChangeRejected, note, "change.reject", p)
}

// withdraw takes back the caller's approval of a change that has not begun.
func (s *Service) withdraw(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	const verb = "change.withdraw"
	c, err := s.waiting(ctx, id)
	if err != nil {
		return c, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	took := false
	for i, a := range c.Approvals {
		if a.Withdrawn.IsZero() && p.SpeaksFor(a.Principal) {
			c.Approvals[i].Withdrawn, took = s.Now(), true
		}
	}
	if !took {
		return c, inventory.Errorf(inventory.ErrState, "there is no approval of yours on change %s to withdraw; 'lodge change cancel' ends a change of your own", c.Label())
	}
	if c.Missing = s.missing(ctx, c, c.Needs); inventory.LacksApprovals(c.Missing) {
		c.State, c.DecidedAt, c.Release = inventory.ChangeSubmitted, time.Time{}, time.Time{}
	}
	if err := s.record(ctx, c, verb, p, note); err != nil {
		return c, err
	}
	s.Boundary(verb, "write", "before")
	return s.Store.UpdateChange(ctx, c)
}

// cancel takes a change back; its requester may, and whoever may decide about it.
func (s *Service) cancel(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	const verb = "change.cancel"
	c, err := s.Store.Change(ctx, id)
	if err != nil {
		return c, err
	}
	if c.State != inventory.ChangeDraft {
		if c, err = s.waiting(ctx, id); err != nil {
			return c, err
		}
	}
	p, _ := inventory.PrincipalFrom(ctx)
	if !p.SpeaksFor(c.Requester) && !s.Rights.Allowed(p, inventory.RightApprove, s.subject(ctx, c)) {
		return c, s.deny(ctx, c, verb, p, "only "+c.Requester.Name+" and those who may approve it can")
	}
	return s.end(ctx, c, inventory.ChangeCancelled, note, verb, p)
}

// decide finds a change that waits and checks that the caller may decide about it: a person with the
// right to, other than its requester, once.
func (s *Service) decide(ctx context.Context, id inventory.ChangeID, verb string) (c inventory.Change,
	p inventory.Principal, err error) {
	if c, err = s.waiting(ctx, id); err != nil {
		return c, p, err
	}
	p, _ = inventory.PrincipalFrom(ctx)
	refused := ""
	switch {
	case p.Kind != inventory.KindPerson:
		refused = "that takes a person"
	case !s.Rights.Allowed(p, inventory.RightApprove, s.subject(ctx, c)):
		refused = "that takes the right \"" + string(inventory.RightApprove) + "\""
	case p.IsSame(c.Requester):
		refused = "nobody decides about their own change"
	}
	for _, a := range c.Approvals {
		if refused == "" && a.Principal.IsSame(p) && s.faultOf(c, a, s.subject(ctx, c), s.Now()) == "" {
			refused = "they have approved it already"
		}
	}
	if refused != "" {
		return c, p, s.deny(ctx, c, verb, p, refused)
	}
	return c, p, nil
}

// waiting finds a change that has not begun; one past its expiry is ended on the way.
func (s *Service) waiting(ctx context.Context, id inventory.ChangeID) (inventory.Change, error) {
	c, err := s.Store.Change(ctx, id)
	if err != nil {
		return c, err
	}
	if c.State.IsWaiting() && s.Now().After(c.Plan.Expiry) {
		if c, err = s.expire(ctx, c); err != nil {
			return c, err
		}
	}
	if !c.State.IsWaiting() {
		return c, inventory.Errorf(inventory.ErrState, "change %s is %s; there is nothing to decide", c.Label(), c.State)
	}
	return c, nil
}

func (s *Service) expire(ctx context.Context, c inventory.Change) (inventory.Change, error) {
	return s.end(ctx, c, inventory.ChangeExpired, "its time was over before it had all it needed", "change.expire",
		inventory.System("expiry"))
}

// end makes a change that never began final, after the journal.
func (s *Service) end(ctx context.Context, c inventory.Change, state inventory.ChangeState, note, verb string,
	p inventory.Principal) (inventory.Change, error) {
	c.State, c.Note, c.DecidedAt = state, note, s.Now()
	if err := s.record(ctx, c, verb, p, note); err != nil {
		return c, err
	}
	s.Boundary(verb, "write", "before")
	c, err := s.Store.UpdateChange(ctx, c)
	s.Boundary(verb, "write", "after")
	return c, err
}
