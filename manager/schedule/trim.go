package schedule

import (
	"context"
	"errors"
	"maps"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	// trimFor is how long after a run its container is looked at again and again: the snapshot may
	// take its time.
	trimFor = 10 * time.Minute
	// trimEvery is how often each container is looked at besides: numbers change, and pins.
	trimEvery = time.Hour
	// trimMost bounds how many snapshots of a container go at once, so that others have their turn.
	trimMost = 10
	// retry is the pause before a snapshot that could not be removed is asked for again: its removal
	// may have been refused, or wait for somebody.
	retry = time.Hour
)

// trimming is when a container's snapshots were judged, and until when they are at each look.
type trimming struct{ last, until time.Time }

// A point is one snapshot of a container.
type point struct {
	container inventory.ContainerID
	name      string
	at        int64
}

func (s *Service) trimSoon(id inventory.ContainerID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trimmed[id] = trimming{s.trimmed[id].last, now.Add(trimFor)}
}

// isTrimTime tells whether it is time to judge the container's snapshots, and notes that it is done.
func (s *Service) isTrimTime(id inventory.ContainerID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, t := s.Now(), s.trimmed[id]
	if now.Before(t.until) || now.Sub(t.last).Abs() >= trimEvery {
		s.trimmed[id] = trimming{now, t.until}
		return true
	}
	return false
}

// trim removes what is not to be kept, the oldest first.
func (s *Service) trim(ctx context.Context, c *inventory.Container, p policy) error {
	if c.IsTrashed() || !s.isTrimTime(c.ID) {
		return nil
	}
	fates, err := s.judge(ctx, c, p)
	if err != nil {
		return err
	}
	gone := 0
	for i := len(fates) - 1; i >= 0 && gone < trimMost; i-- {
		f := fates[i]
		at := point{c.ID, f.ID, f.At.UnixNano()}
		if f.Kept || !s.mayTry(at) {
			continue
		}
		gone++
		removed, err := s.remove(ctx, c, f, p.keep)
		if err != nil {
			return err
		}
		if !removed {
			s.noteTried(at)
		}
	}
	if gone == trimMost {
		s.trimSoon(c.ID, s.Now())
	}
	return nil
}

// forget drops what is known of containers and snapshots that are no longer there.
func (s *Service) forget(all []*inventory.Container) {
	there := map[inventory.ContainerID]bool{}
	for _, c := range all {
		there[c.ID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.trimmed, func(id inventory.ContainerID, _ trimming) bool { return !there[id] })
	maps.DeleteFunc(s.tried, func(_ point, last time.Time) bool { return s.Now().Sub(last).Abs() >= retry })
}

func (s *Service) mayTry(at point) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, tried := s.tried[at]
	return !tried
}

func (s *Service) noteTried(at point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried[at] = s.Now()
}

// errBusy ends a look at a container that is busy; the next one does it.
var errBusy = errors.New("the container is busy")

// remove asks the gate for a snapshot's end and waits for it; removed is false when it was refused,
// failed, or waits for somebody's approval.
func (s *Service) remove(ctx context.Context, c *inventory.Container, f inventory.Fate, keep inventory.Keep) (removed bool, err error) {
	answer, err := s.gate.Begin(inventory.WithPrincipal(ctx, inventory.Scheduler(inventory.SnapshotSchedule)),
		gate.Request{Verb: deleteVerb, Ref: inventory.Ref{Name: string(c.ID)},
			Args:   encode(inventory.SnapshotArgs{Name: f.ID, CreatedAt: f.At}),
			Reason: "keep " + keep.String() + ": " + f.Reason})
	switch {
	case errors.Is(err, inventory.ErrBusy), errors.Is(err, inventory.ErrUnavailable), errors.Is(err, inventory.ErrStale):
		return false, errBusy
	case err != nil:
		s.Log.Warn("a snapshot that need not be kept can't be removed", "name", c.Name, "snapshot", f.ID, "error", err)
		return false, nil
	case answer.Operation == nil: // held for somebody's approval
		return false, nil
	}
	op, err := s.gate.Wait(ctx, answer.Operation.ID)
	return op.State == inventory.OperationDone, err
}

// judge says what becomes of the snapshots that the schedule took, the newest first.
func (s *Service) judge(ctx context.Context, c *inventory.Container, p policy) ([]inventory.Fate, error) {
	all, err := s.Store.Snapshots(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	var points []inventory.Point
	for _, snap := range all {
		if snap.Scheduled {
			points = append(points, inventory.Point{ID: snap.Name, At: snap.CreatedAt, Whole: true, Pinned: snap.Pinned})
		}
	}
	zone := p.schedule.In(s.Now()).Location()
	return p.keep.Judge(points, s.Now(), zone), nil
}

// Fates says what becomes of the snapshots that the container's schedule took, by the numbers that are
// in force or by others; ErrInvalid if these are none.
func (s *Service) Fates(ctx context.Context, c *inventory.Container, keep string) ([]inventory.Fate, error) {
	above, err := s.Settings.Layers(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	p, err := policyOf(c, above)
	if err == nil && keep != "" {
		p.keep, err = inventory.ParseKeep(keep)
	}
	if err != nil {
		return nil, err
	}
	return s.judge(ctx, c, p)
}
