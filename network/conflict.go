package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
)

// A Conflict is somebody else who answers for a container's address.
type Conflict struct {
	Network   string
	Container inventory.Ref
	IP        netip.Addr
	MAC       string // of who answers
}

const (
	// ConflictTime is how often Conflicts is to be called: each address costs a broadcast.
	ConflictTime = time.Minute
	// answerTime is how long neighbours may take to answer: those with an answer ready do at once.
	answerTime = 300 * time.Millisecond
	// askPause is between two questions, so that no queue of a neighbour's overflows.
	askPause = 500 * time.Microsecond
)

// Conflicts asks on all networks who has the addresses of containers, by ARP and ND, and returns where
// somebody else answers, in a stable order. It asks as anybody does who wants to send something, and not as
// one who wants the address: a container that is just taking it would give it up (RFC 5227, 2.1.1; RFC
// 4862, 5.4.3).
func (s *Service) Conflicts(ctx context.Context) ([]Conflict, error) {
	e, err := s.estate(ctx)
	if err != nil {
		return nil, err
	}
	networks := s.otherNetworks()
	for _, n := range s.networks() {
		networks[n.Name] = n
	}
	holders := map[string][]holder{}
	for _, c := range e.Containers {
		var macs []string // a kernel answers for any of its addresses on every interface
		for _, nic := range c.NICs {
			macs = append(macs, nic.MAC)
		}
		for _, nic := range c.NICs {
			for _, ip := range []netip.Addr{nic.IPv4, nic.IPv6} {
				if ip.IsValid() {
					holders[nic.Network] = append(holders[nic.Network], holder{ip.WithZone(""), macs, c.Ref()})
				}
			}
		}
	}
	var (
		mu   sync.Mutex
		out  []Conflict
		errs []error
		wg   sync.WaitGroup
	)
	for name, all := range holders {
		n, ok := networks[name]
		if !ok || n.Bridge == "" {
			continue
		}
		wg.Go(func() {
			found, err := conflictsOn(ctx, n, all)
			mu.Lock()
			defer mu.Unlock()
			out, errs = append(out, found...), append(errs, err)
		})
	}
	wg.Wait()
	slices.SortFunc(out, func(a, b Conflict) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), a.IP.Compare(b.IP), cmp.Compare(a.MAC, b.MAC))
	})
	return slices.Compact(out), errors.Join(errs...)
}

// A holder is who should answer for an address.
type holder struct {
	ip   netip.Addr
	macs []string
	who  inventory.Ref
}

// An asker asks for addresses of one family on one link and reads who answers.
type asker interface {
	ask(ip netip.Addr) error
	// answer waits for the next one, until the time given to the asker is over: errOver.
	answer() (netip.Addr, net.HardwareAddr, error)
	Close() error
}

var errOver = errors.New("nobody answered any more")

// conflictsOn asks on the interface of one network. One that isn't there has no neighbours.
func conflictsOn(ctx context.Context, n inventory.Network, all []holder) ([]Conflict, error) {
	link, err := netlink.LinkByName(n.Bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", n.Bridge, err)
	}
	own, errs := map[netip.Addr]holder{}, []error(nil)
	for _, h := range all {
		own[h.ip] = h
	}
	var out []Conflict
	for _, open := range []func(netlink.Link, time.Time) (asker, error){openARP, openND} {
		until := time.Now().Add(answerTime + 2*askPause*time.Duration(len(all)))
		a, err := open(link, until)
		if err != nil || a == nil {
			errs = append(errs, err)
			continue
		}
		stop := context.AfterFunc(ctx, func() { a.Close() })
		heard, err := answers(a, all)
		if stop() {
			a.Close()
		}
		errs = append(errs, err)
		for _, m := range heard {
			h, asked := own[m.ip]
			// The host answers on a parent for those it has a route to.
			if asked && !slices.Contains(h.macs, m.mac) && m.mac != link.Attrs().HardwareAddr.String() {
				out = append(out, Conflict{n.Name, h.who, h.ip, m.mac})
			}
		}
	}
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		return out, fmt.Errorf("ask on %s who has which address: %w", n.Bridge, err)
	}
	return out, context.Cause(ctx)
}

// An answer says who has an address.
type answer struct {
	ip  netip.Addr
	mac string
}

// answers are all that come until time is over, to those questions of the asker's family.
func answers(a asker, all []holder) (out []answer, err error) {
	asked := make(chan error, 1)
	go func() {
		var errs []error
		for _, h := range all {
			errs = append(errs, a.ask(h.ip))
			time.Sleep(askPause)
		}
		asked <- errors.Join(errs...)
	}()
	for {
		ip, mac, err := a.answer()
		if errors.Is(err, errOver) {
			return out, <-asked
		}
		if err != nil {
			return out, errors.Join(err, <-asked)
		}
		out = append(out, answer{ip, mac.String()})
	}
}
