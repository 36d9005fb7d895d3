package policy

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// relook is how long a session may go on that the policies would refuse now: labels, settings, roles
// and the hour may have changed under it.
const relook = 10 * time.Second

// approveVerb is what deciding about changes is judged by.
const approveVerb = "change.approve"

// sessions are the ways into containers that are open.
type sessions interface {
	// EndAll ends those that match, and says how many did.
	EndAll(ctx context.Context, by, reason string, match func(inventory.Session) bool) (int, error)
}

// Run ends sessions that the policies would refuse now, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(relook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := s.cut(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("sessions that policies refuse go on", "error", err)
		}
	}
}

// cut judges every open session again, as if it was asked for now. What would have to wait goes on: it
// was let in.
func (s *Service) cut(ctx context.Context) error {
	if s.Sessions == nil {
		return nil
	}
	a, err := s.around(ctx)
	if err != nil {
		return err
	}
	now, err := s.inForce(a.host)
	if err != nil {
		return err
	}
	n, err := s.Sessions.EndAll(ctx, "lodged", "policies refuse it now", func(x inventory.Session) bool {
		c, err := s.Containers.Container(ctx, inventory.Ref{Name: string(x.Container)})
		if err != nil {
			return false
		}
		v, ok := s.lang.verbs["container."+string(x.Kind)]
		if !ok {
			v = s.lang.verbs["container.exec"]
		}
		look := &scene{around: a, principal: x.Principal, verb: v, container: c, state: s.Observer.Observe(c).State}
		return s.decide(now, look.question()).Verdict == gate.Deny
	})
	if n > 0 {
		s.Log.Info("sessions ended that policies refuse now", "count", n)
	}
	return err
}

// MayApprove reports whether the policies let p decide about changes of c; nil is what is on no
// container. A decision can't be held: what it would have to wait for is a no.
func (s *Service) MayApprove(p inventory.Principal, c *inventory.Container) bool {
	ctx := context.Background()
	a, err := s.around(ctx)
	if err != nil {
		return false
	}
	now, err := s.inForce(a.host)
	v, ok := s.lang.verbs[approveVerb]
	if err != nil || !ok {
		return err == nil
	}
	look := &scene{around: a, principal: p, verb: v, container: c}
	return s.decide(now, look.question()).Verdict == gate.Allow
}
