package change

import (
	"context"
	"time"

	"lodge/inventory"
)

// missing are those of the conditions that c does not meet now.
func (s *Service) missing(ctx context.Context, c inventory.Change, needs []inventory.Condition) (out []inventory.Condition) {
	on, now := s.subject(ctx, c), s.Now()
	for _, need := range needs {
		rest := inventory.Condition{Policy: need.Policy, Firm: need.Firm}
		if have := s.agreed(c, need.Role, on, now); have < need.Approvals {
			rest.Approvals, rest.Role = need.Approvals-have, need.Role
		}
		if now.Before(c.SubmittedAt.Add(need.Delay)) {
			rest.Delay = need.Delay
		}
		if !s.isOpen(ctx, need, now) {
			rest.Window = need.Window
		}
		if rest.Approvals > 0 || rest.Delay > 0 || rest.Window != "" {
			out = append(out, rest)
		}
	}
	return out
}

// agreed is how many persons with the role have agreed to the plan, none of them the requester.
// Whoever agrees with several keys or uids is one.
func (s *Service) agreed(c inventory.Change, role string, on *inventory.Container, now time.Time) int {
	var who []inventory.Principal
	for _, a := range c.Approvals {
		if s.faultOf(c, a, on, now) == "" && s.hasRole(a.Principal, role, on) && !containsSame(who, a.Principal) {
			who = append(who, a.Principal)
		}
	}
	return len(who)
}

// standing are the approvals that count for anything.
func (s *Service) standing(ctx context.Context, c inventory.Change) (out []inventory.Approval) {
	on, now := s.subject(ctx, c), s.Now()
	for _, a := range c.Approvals {
		if s.faultOf(c, a, on, now) == "" {
			out = append(out, a)
		}
	}
	return out
}

func (s *Service) hasRole(p inventory.Principal, role string, on *inventory.Container) bool {
	return role == "" || s.People.HasRole(p, role, on)
}

func containsSame(who []inventory.Principal, p inventory.Principal) bool {
	for _, q := range who {
		if q.IsSame(p) {
			return true
		}
	}
	return false
}

// faultOf says why an approval does not count, "" if it does: who gave it may have been disabled or
// lost the role since, and the plan may be another.
func (s *Service) faultOf(c inventory.Change, a inventory.Approval, on *inventory.Container, now time.Time) string {
	switch {
	case !a.Withdrawn.IsZero():
		return "withdrawn"
	case a.Digest != c.Plan.Digest:
		return "of another plan"
	case !a.Expires.IsZero() && !now.Before(a.Expires):
		return "expired"
	case a.Principal.IsSame(c.Requester):
		return "by who asked for it"
	case !s.Rights.Allowed(a.Principal, inventory.RightApprove, on):
		return a.Principal.Name + " may not approve any more"
	}
	return s.signatureFault(c, a)
}

// isOpen reports whether a condition's window is open; windows that can't be read are not.
func (s *Service) isOpen(ctx context.Context, need inventory.Condition, now time.Time) bool {
	calendar, err := s.calendar(ctx, []inventory.Condition{need})
	return err == nil && calendar.Next(now).Equal(now)
}

// opening is the first instant at which everything c waits for besides approvals is met; zero when
// none is known.
func (s *Service) opening(ctx context.Context, c inventory.Change, needs []inventory.Condition) time.Time {
	at := s.Now()
	for _, need := range needs {
		if end := c.SubmittedAt.Add(need.Delay); end.After(at) {
			at = end
		}
	}
	calendar, err := s.calendar(ctx, needs)
	if err != nil {
		s.Log.Warn("when a change begins is not known", "change", c.Number, "error", err)
		return time.Time{}
	}
	return calendar.Next(at)
}
