package network

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/lease"
	"lodge/network/names"
	"lodge/network/role"
)

// publishTime is how long Publish waits for a role that is there: a launch must not hang on names.
const publishTime = time.Second

// Publish makes the names of these containers, all of the host's, the ones that are answered. When
// it returns nil, every question asked from then on is answered from them.
//
// ErrUnavailable: no role answers. The set is kept, and the role gets it as soon as it is there, so
// a start goes on without names rather than not at all.
//
// The last call wins: read the containers and publish them under one lock.
func (s *Service) Publish(ctx context.Context, containers []inventory.Container) error {
	s.mu.Lock()
	s.entries, s.leases, s.known = Entries(containers), Bindings(containers), true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := s.steer.lockWithin(ctx); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not published: the net role is being started or replaced")
	}
	defer s.steer.unlock()
	return s.push(ctx)
}

// PublishRecords makes these records, all that were added, the ones that are answered beside the
// containers' names. It fails as Publish does.
func (s *Service) PublishRecords(ctx context.Context, records []names.Record) error {
	s.mu.Lock()
	s.records, s.recordsKnown = slices.Clone(records), true
	s.mu.Unlock()
	return s.pushWithin(ctx)
}

// PublishHostKeys makes these the SSHFP records of the containers, by their IPv4 addresses. It fails as
// Publish does.
func (s *Service) PublishHostKeys(ctx context.Context, keys map[netip.Addr][]string) error {
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
	return s.pushWithin(ctx)
}

// pushWithin gives the role what has changed, unless the role is being changed itself.
func (s *Service) pushWithin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := s.steer.lockWithin(ctx); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not published: the net role is being started or replaced")
	}
	defer s.steer.unlock()
	return s.push(ctx)
}

// zone returns what the role should answer from; its serial is only set by push.
func (s *Service) zone() role.State {
	s.recall()
	nets := s.networks()
	z := role.State{Zone: names.Zone{Domain: inventory.Domain, Upstreams: s.upstreamServers(),
		Transfer: s.transfer()}}
	for _, n := range nets {
		z.Networks = append(z.Networks, names.Net{IPv4: n.IPv4, IPv6: n.IPv6})
		if l, ok := linkOf(n); ok {
			z.Links = append(z.Links, l)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	z.Entries, z.Records = slices.Clone(s.entries), s.records
	withIPv6 := HasIPv6()
	for i := range z.Entries {
		if !withIPv6 {
			z.Entries[i].IPv6 = netip.Addr{} // it is held, and leads nowhere
		}
		if keys, ok := s.keys[z.Entries[i].IPv4]; ok {
			z.Entries[i].SSHFP = keys
		}
	}
	for i := range z.Links {
		z.Links[i].Bindings = s.leases[z.Links[i].Network]
	}
	return z
}

// recall goes on with the names and the serial of the agent before, as long as nothing was published
// by this one: adopting a role must not empty its zone.
func (s *Service) recall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && s.recordsKnown && s.serial != 0 {
		return
	}
	last, err := role.ReadState(s.zonePath())
	if err != nil {
		return
	}
	if !s.recordsKnown {
		s.records = last.Records
	}
	if !s.known {
		s.entries, s.leases = last.Entries, map[string][]lease.Binding{}
		for _, l := range last.Links {
			s.leases[l.Network] = l.Bindings
		}
	}
	s.serial = last.Serial
}

// upstreamServers are those of the setting, else the host's, without ourselves.
func (s *Service) upstreamServers() []netip.AddrPort {
	nets := s.networks()
	own := func(a netip.Addr) bool {
		return slices.ContainsFunc(nets, func(n inventory.Network) bool {
			return a == n.IPv4.Addr() || a == n.IPv6.Addr()
		})
	}
	s.mu.Lock()
	chosen := slices.Clone(s.options.Upstream)
	s.mu.Unlock()
	if len(chosen) > 0 {
		return slices.DeleteFunc(chosen, func(a netip.AddrPort) bool { return a.Port() == dnsPort && own(a.Addr().Unmap()) })
	}
	servers, err := Nameservers(s.cfg.ResolvConf)
	if err != nil {
		s.log.Warn("the host's name servers can't be read", "file", s.cfg.ResolvConf, "err", err)
	}
	return upstreams(servers, own)
}

// push gives the role the zone if it differs from what the role has. Called with steer held.
func (s *Service) push(ctx context.Context) error {
	if !s.planned() {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not published: no network is up yet")
	}
	z := s.zone()
	s.tellHost()
	if s.client != nil && s.acked != nil && z.Same(*s.acked) {
		select {
		case <-s.client.Done():
		default:
			return nil
		}
	}
	z.Serial = s.nextSerial()
	data, err := json.Marshal(z)
	if err != nil {
		return err
	}
	if err := s.keepZone(data); err != nil {
		s.log.Warn("the last zone can't be kept; a role that starts without the agent has old names", "err", err)
	}
	if s.client == nil {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not published: the net role does not run")
	}
	s.acked = nil
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := s.client.SetZone(ctx, data); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not published: the net role does not answer (%v)", err)
	}
	s.acked = &z
	return nil
}

// nextSerial grows by one, and never falls behind the clock, so that it also grows over a lost file.
// The comparison is that of RFC 1982.
func (s *Service) nextSerial() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	if clock := uint32(s.cfg.Now().Unix()); int32(clock-s.serial) > 0 {
		s.serial = clock
	}
	return s.serial
}

// keepZone writes the zone for a role that starts before it is told. It is not synced: after a power
// cut the next Publish writes it again, and an unreadable file only means no names until then.
//
// Two files change places, since a new one for every change costs more than writing it: the file
// system has to find an inode and give up another.
func (s *Service) keepZone(data []byte) error {
	spare := s.zonePath() + ".new"
	if err := os.WriteFile(spare, data, 0o600); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(spare), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(spare, data, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, spare, unix.AT_FDCWD, s.zonePath(), unix.RENAME_EXCHANGE)
	if err != nil { // there is no zone yet, or the file system can't
		return os.Rename(spare, s.zonePath())
	}
	return nil
}
