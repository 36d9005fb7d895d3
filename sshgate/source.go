package sshgate

import (
	"net/netip"
	"sync"
	"time"
)

// Penalties are OpenSSH's own (PerSourcePenalties in sshd_config(5), 9.8): what a source did wrong keeps
// it out for a while, once it adds up.
const (
	penaltyNoAuth    = time.Second      // came and went without trying
	penaltyFailed    = 5 * time.Second  // no key of theirs was taken
	penaltyGrace     = 10 * time.Second // took too long to sign in
	penaltyCrash     = 90 * time.Second // the worker died of them
	penaltyEnforced  = 15 * time.Second // less than this is forgiven
	penaltyMost      = 10 * time.Minute
	maxSources       = 65536
	startsFree       = 10 // MaxStartups 10:30:100: connections that have not signed in yet
	startsMost       = 100
	startsDropShare  = 0.3
	startsFromSource = 20 // of those, from one source
)

// sources keep track of who connects. An IPv6 source is a /64: whoever has one has all of it.
type sources struct {
	mu       sync.Mutex
	starting int
	from     map[netip.Prefix]*source
	dice     func() float64 // 0 to 1
}

type source struct {
	until    time.Time // penalties run until
	enforced bool
	starting int
}

func newSources(dice func() float64) *sources {
	return &sources{from: map[netip.Prefix]*source{}, dice: dice}
}

func sourceOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// admit reports whether a connection may begin, and counts it until its first verdict. The more have
// not signed in yet, the likelier one is dropped (MaxStartups in sshd_config(5)).
func (s *sources) admit(a netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.from[sourceOf(a)]
	if at != nil && at.enforced && now.Before(at.until) || at != nil && at.starting >= startsFromSource {
		return false
	}
	if s.starting >= startsMost || s.starting >= startsFree && s.dice() < dropShare(s.starting) {
		return false
	}
	if at == nil {
		if len(s.from) >= maxSources {
			s.forget(now)
		}
		at = &source{}
		s.from[sourceOf(a)] = at
	}
	at.starting++
	s.starting++
	return true
}

func dropShare(starting int) float64 {
	return startsDropShare + (1-startsDropShare)*float64(starting-startsFree)/float64(startsMost-startsFree)
}

// decided ends what admit began: the connection signed in, or ended without; penalty is what it cost.
func (s *sources) decided(a netip.Addr, penalty time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting--
	at := s.from[sourceOf(a)]
	if at == nil {
		return // forgotten meanwhile
	}
	at.starting--
	at.punish(penalty, now)
	if at.starting == 0 && !now.Before(at.until) {
		delete(s.from, sourceOf(a))
	}
}

func (at *source) punish(penalty time.Duration, now time.Time) {
	if penalty == 0 {
		return
	}
	if at.until.Before(now) {
		at.until, at.enforced = now, false
	}
	at.until = at.until.Add(penalty)
	if most := now.Add(penaltyMost); at.until.After(most) {
		at.until = most
	}
	at.enforced = at.enforced || at.until.Sub(now) >= penaltyEnforced
}

// forget makes room: those who have nothing left to serve, else somebody who is not connected.
func (s *sources) forget(now time.Time) {
	var spare netip.Prefix
	for p, at := range s.from {
		if at.starting > 0 {
			continue
		}
		if spare = p; !now.Before(at.until) {
			delete(s.from, p)
		}
	}
	delete(s.from, spare)
}
