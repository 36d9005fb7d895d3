package account

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/account/guest"
)

const (
	// lapse is how late an account may be locked whose right has ended by itself.
	lapse = 10 * time.Second
	// lockAgain is when locking an account is tried again that could not be.
	lockAgain = time.Minute
)

// Run locks accounts of those whom nothing lets in any more, until ctx ends: at once, after every poke,
// and every few seconds.
func (s *Service) Run(ctx context.Context, poked <-chan struct{}) {
	for tick := time.NewTicker(lapse); ; {
		if err := s.lockUnentitled(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("accounts of those who may not any more stay open", "error", err)
		}
		select {
		case <-poked:
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

func (s *Service) lockUnentitled(ctx context.Context) error {
	all, err := s.Store.UnixAccounts(ctx, "", "")
	if err != nil || len(all) == 0 {
		return err
	}
	containers, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	byID := map[inventory.ContainerID]*inventory.Container{}
	for _, c := range containers {
		byID[c.ID] = c
	}
	for _, a := range all {
		c := byID[a.Container]
		if c == nil || ctx.Err() != nil || s.mayEnter(a.User, a.Name, c) || !s.isDue(a) || s.staysLocked(a, c) {
			continue
		}
		if err := s.lock(ctx, a, c); err != nil {
			s.Log.Warn("account is not locked yet", "container", c.Name, "account", a.Name, "error", err)
		}
	}
	return nil
}

// staysLocked reports whether an account was found locked, and its files are as they were then. A
// snapshot that was restored may have it open again.
func (s *Service) staysLocked(a inventory.UnixAccount, c *inventory.Container) bool {
	now := s.marks(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, looked := s.shut[key{a.Container, a.User}]
	return a.State == inventory.UnixAccountLocked && looked && before == now
}

// isDue reports whether locking is to be tried now.
func (s *Service) isDue(a inventory.UnixAccount) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.Now().Before(s.later[key{a.Container, a.User}])
}

// lock locks one account. One that is gone, or that the container made its own, counts as locked: what
// is there is not Lodge's.
func (s *Service) lock(ctx context.Context, a inventory.UnixAccount, c *inventory.Container) (err error) {
	defer s.turn(c.ID)()
	k := key{a.Container, a.User}
	s.forget(k)
	defer func() { s.postpone(k, err) }()
	rows, err := s.Store.UnixAccounts(ctx, a.Container, a.User)
	if err != nil || len(rows) == 0 || s.mayEnter(a.User, a.Name, c) {
		return err
	}
	before := s.marks(c)
	state, err := s.run(ctx, guest.OpLook, a, true, c)
	if state == "" {
		return err
	}
	if state != guest.StateOpen {
		return s.foundLocked(ctx, rows[0], before)
	}
	return s.recorded(ctx, inventory.Record{Verb: verbLock, Principal: inventory.System("rights")}, a, c, func() error {
		if _, err := s.run(ctx, guest.OpLock, a, true, c); err != nil {
			return err
		}
		return s.save(ctx, a, inventory.UnixAccountLocked)
	})
}

// foundLocked keeps the marks that were taken before an account was found locked, or gone.
func (s *Service) foundLocked(ctx context.Context, a inventory.UnixAccount, before marks) error {
	s.mu.Lock()
	s.shut[key{a.Container, a.User}] = before
	s.mu.Unlock()
	if a.State == inventory.UnixAccountLocked {
		return nil
	}
	return s.save(ctx, a, inventory.UnixAccountLocked)
}

// postpone notes when an account is tried again that could not be locked.
func (s *Service) postpone(k key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.later, k)
	if err != nil {
		s.later[k] = s.Now().Add(lockAgain)
	}
}
