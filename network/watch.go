package network

import (
	"context"
	"errors"
	"time"
)

// watchRole starts the role again when it dies and pushes new upstreams.
func (s *Service) watchRole(ctx context.Context) {
	tick := time.NewTicker(checkTime)
	defer tick.Stop()
	for {
		var gone <-chan struct{}
		s.steer.lock()
		if s.client != nil {
			gone = s.client.Done()
		}
		s.steer.unlock()
		select {
		case <-ctx.Done():
			return
		case <-gone:
			if !s.forget(gone) {
				continue // adopted or replaced meanwhile
			}
			s.log.Error("the net role is gone and is started again")
			s.check(ctx)
			// One that dies at once must not be started in a tight loop.
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		case <-tick.C:
			s.check(ctx)
		}
	}
}

// forget drops the client whose connection ended; false when it isn't the present one.
func (s *Service) forget(gone <-chan struct{}) bool {
	s.steer.lock()
	defer s.steer.unlock()
	if s.client == nil || s.client.Done() != gone {
		return false
	}
	s.client.Close()
	s.client = nil
	return true
}

// check brings everything up to date: the role itself, its sockets, its zone with the upstreams of
// the present resolv.conf.
func (s *Service) check(ctx context.Context) {
	s.steer.lock()
	defer s.steer.unlock()
	var err error
	if s.client == nil {
		err = s.ensureRole(ctx)
	} else if err = s.ping(ctx); err == nil && s.planned() {
		err = errors.Join(s.push(ctx), s.syncSockets(ctx))
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("names are not answered as they should be; trying again", "err", err)
	}
}

// ping ends the connection to a role that hangs, so that the next round kills and replaces it.
func (s *Service) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	return s.client.Hello(ctx)
}
