package identity

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// lapse is how long somebody may stay whose role, or certificate, has ended by itself.
const lapse = 5 * time.Second

// Run ends the sessions of those whose role, token or certificate has ended by itself, until ctx does.
func (s *Service) Run(ctx context.Context) {
	for tick := time.NewTicker(lapse); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
		if _, err := s.endUnentitled(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("sessions of those who may not any more go on", "error", err)
		}
	}
}

// endSessions is the last step of whatever takes something from somebody.
func (s *Service) endSessions(ctx context.Context, r *gate.Run) error {
	n, err := s.endUnentitled(ctx)
	if n > 0 {
		r.Progress(-1, "%d sessions ended", n)
		r.Log.Info("sessions ended", "count", n, "verb", r.Operation.Verb, "name", r.Operation.Name)
	}
	return err
}

// endUnentitled ends every session of a principal who might not open it now.
func (s *Service) endUnentitled(ctx context.Context) (int, error) {
	return s.Sessions.EndAll(ctx, "lodged", "they may not be in there any more", func(x inventory.Session) bool {
		if !s.Allowed(x.Principal, inventory.RightEnter, nil) {
			return true // whatever it is in, and if it is in nothing yet
		}
		c, err := s.Containers.Container(ctx, inventory.Ref{Name: string(x.Container)})
		return err == nil && !s.Allowed(x.Principal, x.Kind.Right(), c)
	})
}
