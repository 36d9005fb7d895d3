package anchor

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Service keeps one forwarder for each sink that is set.
type Service struct {
	Config

	mu   sync.Mutex // guards what follows
	ctx  context.Context
	runs map[string]*forwarder // by the name of the sink
	all  sync.WaitGroup        // of forwarders, those that were retired too
}

// New returns a service that does nothing before Run.
func New(c Config) *Service {
	c.Settle, c.Retry, c.Stall = cmp.Or(c.Settle, defaultSettle), cmp.Or(c.Retry, defaultRetry), cmp.Or(c.Stall, defaultStall)
	return &Service{Config: c, runs: map[string]*forwarder{}}
}

// settingsPoll is how late a change of settings holds that was undone after Apply.
const settingsPoll = 10 * time.Second

// Run forwards until ctx ends, and returns when nothing is under way any more, or hangs.
func (s *Service) Run(ctx context.Context) {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	for ctx.Err() == nil {
		values, err := s.Settings.HostSettings(ctx)
		if err == nil {
			s.Apply(values)
		} else if ctx.Err() == nil {
			s.Log.Error("where the audit journal goes can't be read; trying again", "error", err)
		}
		sleep(ctx, settingsPoll)
	}
	ended := make(chan struct{})
	go func() { s.all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(closing):
		s.Log.Warn("an anchor of the audit journal hangs; what it was given goes out again with the next agent")
	}
}

// Apply brings the sinks to the host's settings. One whose settings didn't change runs on. It doesn't
// wait for any.
func (s *Service) Apply(values map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	wanted := s.plans(values)
	for name, f := range s.runs {
		if p, ok := wanted[name]; !ok || p.key() != f.plan.key() {
			if ok && p.target == f.plan.target {
				f.cancel()
			} else {
				s.all.Go(f.retire)
			}
			delete(s.runs, name)
		}
	}
	for name, p := range wanted {
		if s.runs[name] == nil {
			s.runs[name] = s.start(p)
		}
	}
}

// start begins a forwarder. One of the same target that is still on its way out can only move the
// cursor back, and then something is told twice.
func (s *Service) start(p plan) *forwarder {
	ctx, cancel := context.WithCancel(s.ctx)
	f := &forwarder{service: s, plan: p, ctx: ctx, cancel: cancel}
	f.status = Status{Sink: p.sink, Target: p.target}
	s.all.Go(f.run)
	return f
}

// Anchors says how far each sink is, sorted by name.
func (s *Service) Anchors(ctx context.Context) ([]Status, error) {
	newest, err := s.Journal.Next(ctx, Checkpoint{})
	if err != nil {
		return nil, err
	}
	out := []Status{}
	for _, f := range s.running() {
		st := f.Status()
		st.Size = newest.Size
		out = append(out, st)
	}
	return out, nil
}

// running are the forwarders, sorted by the name of their sink. Nothing that touches a target is done
// under the lock: a share may hang.
func (s *Service) running() (all []*forwarder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.runs)) {
		all = append(all, s.runs[name])
	}
	return all
}

// Checkpoints are those that left this host, to hold the journal against: the newest of each sink,
// from the sink itself where it can be asked, else as its cursor remembers it.
func (s *Service) Checkpoints() (notes [][]byte) {
	for _, f := range s.running() {
		if f.plan.kept != nil {
			answer := make(chan [][]byte, 1)
			go func() { answer <- f.plan.kept() }()
			select {
			case kept := <-answer:
				notes = append(notes, kept...)
			case <-time.After(closing): // the share hangs; the cursor remembers
			}
		}
		st := f.Status()
		for _, c := range []Checkpoint{st.Checkpoint, st.Lost} {
			if c.Note != "" {
				notes = append(notes, []byte(c.Note))
			}
		}
	}
	return notes
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
