package change

import (
	"context"
	"errors"

	"lodge/inventory"
)

// review ends the review of an emergency change, and closes it. It is done by somebody else, who may
// approve, and says something.
func (s *Service) review(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	const verb = "change.review"
	c, err := s.Store.Change(ctx, id)
	if err != nil {
		return c, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	switch {
	case !c.Review.IsOpen():
		return c, inventory.Errorf(inventory.ErrState, "change %s has no open review", c.Label())
	case note == "":
		return c, inventory.Errorf(inventory.ErrInvalid, "a review says something: --note TEXT")
	case p.Kind != inventory.KindPerson || !s.Rights.Allowed(p, inventory.RightApprove, s.subject(ctx, c)):
		return c, s.deny(ctx, c, verb, p, "that takes a person with the right \"approve\"")
	case p.IsSame(c.Requester):
		return c, s.deny(ctx, c, verb, p, "nobody reviews their own change")
	}
	c.Review.At, c.Review.By, c.Review.Note = s.Now(), p.Name, note
	if c.State.CanBecome(inventory.ChangeClosed) {
		c.State = inventory.ChangeClosed
	}
	return s.note(ctx, c, verb, p, note)
}

// close says that somebody has looked at how a change ended; its requester may, and whoever may decide
// about it.
func (s *Service) close(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
	const verb = "change.close"
	c, err := s.Store.Change(ctx, id)
	if err != nil {
		return c, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	switch {
	case !c.State.CanBecome(inventory.ChangeClosed):
		return c, inventory.Errorf(inventory.ErrState, "change %s is %s; what has ended can be closed", c.Label(), c.State)
	case c.Review.IsOpen():
		return c, inventory.Errorf(inventory.ErrState, "change %s ran as an emergency; 'lodge change review %s --note TEXT' closes it", c.Label(), c.Label())
	case !p.SpeaksFor(c.Requester) && !s.Rights.Allowed(p, inventory.RightApprove, s.subject(ctx, c)):
		return c, s.deny(ctx, c, verb, p, "only "+c.Requester.Name+" and those who may approve it can")
	}
	c.State = inventory.ChangeClosed
	if note != "" {
		c.Note = note
	}
	return s.note(ctx, c, verb, p, note)
}

// note writes what was decided about a change that has run, after the journal.
func (s *Service) note(ctx context.Context, c inventory.Change, verb string, p inventory.Principal, text string) (inventory.Change, error) {
	if err := s.record(ctx, c, verb, p, text); err != nil {
		return c, err
	}
	s.Boundary(verb, "write", "before")
	return s.Store.UpdateChange(ctx, c)
}

// remind says of each open review that is late, once, that it is: in the journal and as an event.
func (s *Service) remind(ctx context.Context) error {
	all, err := s.Store.OpenReviews(ctx)
	for _, c := range all {
		if !c.Review.IsOverdue(s.Now()) || !c.Review.Reminded.IsZero() {
			continue
		}
		c.Review.Reminded = s.Now()
		_, failed := s.note(ctx, c, "change.overdue", inventory.System("review"), "its review was due at "+c.Review.Due.Format(timeText))
		if !errors.Is(failed, inventory.ErrStale) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// Replan is what the change would be if it were planned now; an error says why there would be no plan.
func (s *Service) Replan(ctx context.Context, c inventory.Change) (*inventory.Plan, error) {
	return s.gate.Replan(ctx, c)
}
