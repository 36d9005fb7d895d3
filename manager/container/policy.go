package container

import (
	"context"
	"fmt"
	"time"

	"lodge/inventory"
)

const (
	// The pauses of the restart policy double from the first to the longest; a run longer than
	// healthyAfter starts over.
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	healthyAfter = 10 * time.Minute
	// policyMemory is how far back an agent looks for the tries of those before it.
	policyMemory = 24 * time.Hour
)

// attempts is how often the restart policy has tried lately.
type attempts struct {
	count int
	last  time.Time // when init ended
	next  time.Time // when the next try is due, or was
}

// restartLater makes a deadline for the next try: first after pause, then further away each time.
func (s *Service) restartLater(ctx context.Context, c *inventory.Container, e Exit, pause time.Duration) {
	a := s.retried(ctx, c.ID, e.At)
	if a.count > 0 {
		pause = min(firstPause<<min(a.count, 16), longestPause)
	}
	a = attempts{count: a.count + 1, last: e.At, next: s.Now().Add(pause)}
	d := s.deadline(c, startVerb, a.next, nil, inventory.System(restartPolicy),
		fmt.Sprintf("restart policy, try %d: %s", a.count, e.Reason))
	if err := s.gate.AddDeadline(ctx, d); err != nil {
		s.Log.Error("a restart can't be scheduled", "name", c.Name, "error", err)
		return
	}
	s.policyMu.Lock()
	s.attempts[c.ID] = a
	s.policyMu.Unlock()
	s.note(ctx, c, "container.restart-planned",
		fmt.Sprintf("try %d in %s: %s", a.count, pause, e.Reason))
}

// retried returns the tries that still count at a time: none after a long enough run. What earlier
// agents tried is in the deadlines they left.
func (s *Service) retried(ctx context.Context, id inventory.ContainerID, at time.Time) attempts {
	s.policyMu.Lock()
	a, ok := s.attempts[id]
	s.policyMu.Unlock()
	if !ok {
		a = s.retriedBefore(ctx, id, at)
	}
	if at.Sub(a.last) > healthyAfter {
		return attempts{}
	}
	return a
}

func (s *Service) retriedBefore(ctx context.Context, id inventory.ContainerID, at time.Time) (a attempts) {
	all, err := s.Store.DeadlinesSince(ctx, id, startVerb, at.Add(-policyMemory))
	if err != nil {
		s.Log.Warn("earlier tries of the restart policy are not known", "container", id, "error", err)
	}
	for _, d := range all {
		if d.Principal.Proof != restartPolicy {
			continue
		}
		if d.Due.Sub(a.next) > healthyAfter+longestPause {
			a = attempts{}
		}
		a = attempts{count: a.count + 1, last: d.Due, next: d.Due}
	}
	return a
}

// Restarts returns how often the restart policy has tried lately to start a container, and when the
// next try is due; zero when none is.
func (s *Service) Restarts(id inventory.ContainerID) (tries int, next time.Time) {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	a, now := s.attempts[id], s.Now()
	if now.Sub(a.next) > healthyAfter {
		return 0, time.Time{}
	}
	if a.next.Before(now) {
		a.next = time.Time{}
	}
	return a.count, a.next
}
