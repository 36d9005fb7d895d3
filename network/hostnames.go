package network

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/names"
)

// Values of dns.host: how the host's own programs know the containers' names.
const (
	HostNamesAuto     = "auto"
	HostNamesResolved = "resolved" // with the file while nothing runs on a bridge
	HostNamesFile     = "hosts"
	HostNamesOff      = "off"
)

// hostPause is between two changes of the hosts file: a hundred creates are not a hundred syncs.
const hostPause = 100 * time.Millisecond

// A Resolver is a name service of the host that can be told whom to ask about a domain.
type Resolver interface {
	// IsAsked reports whether the host's programs ask it.
	IsAsked(ctx context.Context) bool
	// Route has names below the domains looked up at the servers, through the link of that number.
	Route(ctx context.Context, link int, servers []netip.Addr, domains []string) error
	// Revert takes that back, if the servers are still these.
	Revert(ctx context.Context, link int, servers []netip.Addr) error
}

// A HostWay is how the host knows the names now: HostNamesResolved, HostNamesFile or HostNamesOff, and
// what keeps it from another.
type HostWay struct{ Way, Trouble string }

// HostWay returns how the host knows the names now; the way is empty until that was looked at.
func (s *Service) HostWay() HostWay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hostWay
}

// hostNames remembers what needs no second look.
type hostNames struct {
	fileClean, linksClean bool // nothing of ours is there
}

// readHostNames reads dns.host, which was true or false once.
func readHostNames(value string) (string, error) {
	switch value {
	case "true":
		return HostNamesAuto, nil
	case "false":
		return HostNamesOff, nil
	case "", HostNamesAuto, HostNamesResolved, HostNamesFile, HostNamesOff:
		return value, nil
	}
	return "", inventory.Errorf(inventory.ErrInvalid, "%s can't be %q; it is auto, resolved, hosts or off", SettingHostNames, value)
}

// tellHost has watchHostNames look at once.
func (s *Service) tellHost() {
	select {
	case s.changed <- struct{}{}:
	default: // it will
	}
}

// watchHostNames keeps the host's knowledge of the names right: when they change, and when somebody else
// has changed a file, restarted the resolver or taken our settings from it.
func (s *Service) watchHostNames(ctx context.Context) {
	tick := time.NewTicker(checkTime)
	defer tick.Stop()
	for {
		s.syncHostNames(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(hostPause):
		}
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-tick.C:
		}
	}
}

// syncHostNames does what the setting asks for. The new way is there before the old one goes.
func (s *Service) syncHostNames(ctx context.Context) {
	if !s.planned() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	s.mu.Lock()
	setting := cmp.Or(s.options.HostNames, HostNamesAuto)
	s.mu.Unlock()
	now := HostWay{Way: setting}
	if setting == HostNamesAuto {
		now.Way = s.bestWay(ctx)
	}
	var trouble error
	inFile := now.Way == HostNamesFile
	if now.Way == HostNamesResolved {
		s.hostNames.linksClean = false
		if inFile, trouble = s.routeNames(ctx); trouble != nil && setting == HostNamesAuto {
			now.Way, inFile = HostNamesFile, true
		}
	}
	trouble = errors.Join(trouble, s.syncHostsFile(inFile))
	if now.Way != HostNamesResolved {
		trouble = errors.Join(trouble, s.unrouteNames(ctx))
	}
	if ctx.Err() != nil {
		return
	}
	if trouble != nil {
		now.Trouble = trouble.Error()
	}
	s.mu.Lock()
	was := s.hostWay
	s.hostWay = now
	s.mu.Unlock()
	if now.Trouble != "" && now != was {
		s.log.Warn("the host does not know the containers' names as it should", "by", now.Way, "err", trouble)
	}
}

// bestWay is what auto means here. Two agents of one host answer for the same domain, so it is the
// host's own that the host asks.
func (s *Service) bestWay(ctx context.Context) string {
	switch {
	case !s.cfg.IsHosts:
		return HostNamesOff
	case s.cfg.Resolver != nil && s.cfg.Resolver.IsAsked(ctx):
		return HostNamesResolved
	}
	return HostNamesFile
}

// hostZone is the zone as far as the host's knowledge goes.
func (s *Service) hostZone() names.Zone {
	s.recall()
	z := names.Zone{Domain: inventory.Domain}
	for _, n := range s.networks() {
		z.Networks = append(z.Networks, names.Net{IPv4: n.IPv4, IPv6: n.IPv6})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	z.Entries, z.Records = slices.Clone(s.entries), slices.Clone(s.records)
	return z
}

func (s *Service) syncHostsFile(wanted bool) error {
	if !wanted && s.hostNames.fileClean {
		return nil
	}
	block := ""
	if wanted {
		block = hostsBlock(s.cfg.Root, s.hostZone())
	}
	err := replaceHosts(s.cfg.HostsFile, s.cfg.Root, block)
	s.hostNames.fileClean = err == nil && !wanted
	return err
}

// nameServers are the addresses a network's names are answered on.
func nameServers(n inventory.Network) []netip.Addr {
	servers := []netip.Addr{n.IPv4.Addr()}
	if n.IPv6.IsValid() && HasIPv6() {
		servers = append(servers, n.IPv6.Addr())
	}
	return servers
}

// routeNames has the resolver ask the role about our domain and the networks' addresses. It reports
// whether a bridge is idle: systemd-resolved asks nobody through a link without a carrier
// (resolved-link.c, link_relevant), and a bridge has none until a container runs.
func (s *Service) routeNames(ctx context.Context) (idle bool, err error) {
	if s.cfg.Resolver == nil {
		return false, errors.New("there is no systemd-resolved")
	}
	var errs []error
	for _, n := range s.networks() {
		link, err := netlink.LinkByName(n.Bridge)
		if err == nil {
			idle = idle || link.Attrs().RawFlags&unix.IFF_LOWER_UP == 0
			z := names.Zone{Domain: inventory.Domain, Networks: []names.Net{{IPv4: n.IPv4, IPv6: n.IPv6}}}
			var domains []string
			for _, apex := range z.Apexes() {
				domains = append(domains, strings.TrimSuffix(apex, "."))
			}
			err = s.cfg.Resolver.Route(ctx, link.Attrs().Index, nameServers(n), domains)
		}
		errs = append(errs, err)
	}
	return idle, errors.Join(errs...)
}

func (s *Service) unrouteNames(ctx context.Context) error {
	if s.hostNames.linksClean {
		return nil
	}
	err := s.unroute(ctx, s.networks())
	s.hostNames.linksClean = err == nil
	return err
}

func (s *Service) unroute(ctx context.Context, nets []inventory.Network) error {
	var errs []error
	for _, n := range nets {
		if link, err := netlink.LinkByName(n.Bridge); err == nil && s.cfg.Resolver != nil {
			errs = append(errs, s.cfg.Resolver.Revert(ctx, link.Attrs().Index, nameServers(n)))
		}
	}
	return errors.Join(errs...)
}

// forgetHostNames takes back all that the host was told, by this agent or one before it.
func (s *Service) forgetHostNames(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	nets := s.networks()
	if claims, err := LoadClaims(s.cfg.Root); err == nil && len(nets) == 0 {
		nets = claims.Networks()
	}
	return errors.Join(replaceHosts(s.cfg.HostsFile, s.cfg.Root, ""), s.unroute(ctx, nets))
}
