package pool

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"lodge/inventory"
)

const (
	// lookEvery is how often pools are looked at: a lost disk is noticed, and taken back, within
	// that time.
	lookEvery = 3 * time.Second
	// lookTimeout is how long a pool may take to answer; the disk behind one that doesn't hangs.
	lookTimeout = 20 * time.Second
)

// Run looks after the pools until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.Look(ctx)
		}
	}
}

// Look looks at every pool once: those that work are checked, those that are lost tried again.
func (s *Service) Look(ctx context.Context) {
	s.mu.RLock()
	all := make(map[string]entry, len(s.pools))
	for name, e := range s.pools {
		all[name] = *e
	}
	s.mu.RUnlock()
	var group sync.WaitGroup
	for name, e := range all {
		group.Go(func() {
			if e.backend == nil {
				s.takeBack(ctx, name, e)
			} else if err := patiently(ctx, e.backend.Check); err != nil && ctx.Err() == nil {
				s.lose(ctx, name, e.backend, err)
			}
		})
	}
	group.Wait()
}

// patiently bounds a call that may hang in the kernel.
func patiently(ctx context.Context, check func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lookTimeout):
		return inventory.Errorf(inventory.ErrUnavailable, "its disk hasn't answered for %s", lookTimeout)
	}
}

// lose takes a pool out of use. What works on it at this moment fails by itself.
func (s *Service) lose(ctx context.Context, name string, backend Backend, why error) {
	s.mu.Lock()
	e := s.pools[name]
	if e == nil || e.backend != backend {
		s.mu.Unlock()
		return
	}
	e.backend, e.last, e.reason = nil, backend, why
	s.mu.Unlock()
	s.note(ctx, "pool.lost", name, why.Error())
	go func() { // it may hang, and nothing waits for it
		if err := backend.Close(); err != nil {
			s.Log.Warn("a lost pool can't be closed", "pool", name, "error", err)
		}
	}()
}

// takeBack opens a lost pool again if it can be.
func (s *Service) takeBack(ctx context.Context, name string, e entry) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if d, ok := e.last.(Detacher); ok {
		if err := d.Detach(); err != nil {
			s.Log.Debug("what is left of a lost pool is still in use", "pool", name, "error", err)
		}
	}
	backend, err := s.open(ctx, e.row, false)
	if err == nil {
		err = backend.Check(ctx)
	}
	s.mu.Lock()
	now := s.pools[name]
	if now == nil || now.backend != nil || err != nil {
		if now != nil && now.backend == nil && err != nil {
			now.reason = err
		}
		s.mu.Unlock()
		if backend != nil {
			backend.Close()
		}
		return
	}
	now.backend, now.reason, now.last = backend, nil, nil
	s.mu.Unlock()
	s.note(ctx, "pool.back", name, "it works again")
}

// note writes a fact about a pool to the audit journal and the event stream.
func (s *Service) note(ctx context.Context, verb, name, text string) {
	s.Log.Warn(verb, "pool", name, "reason", text)
	if s.gate != nil {
		err := s.gate.Fact(ctx, inventory.Record{Verb: verb, Principal: inventory.System("watch"),
			Subject: "pool:" + name, Name: name, Result: text})
		if err != nil {
			s.Log.Error("a fact is not in the audit journal", "verb", verb, "pool", name, "error", err)
		}
	}
	data, _ := json.Marshal(map[string]string{"pool": name, "reason": text})
	if err := s.Store.AppendEvent(ctx, inventory.Event{At: s.Now(), Type: verb, Name: name, Data: data}); err != nil {
		s.Log.Warn("an event is lost", "type", verb, "pool", name, "error", err)
	}
}
