package container

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
)

// RepairNICs looks whether the containers that run have their interfaces, and makes those again whose end
// on the host is gone, with the same names, addresses, routes, rules and bounds. It returns what it has
// made. One that is gone at one look may be about to go with its container; it is made at the next. The
// end of a plain pair is the operator's, who may have put it elsewhere. There is one caller, again and again.
func (s *Service) RepairNICs(ctx context.Context) (repaired []string, err error) {
	gone, err := s.goneNICs(ctx)
	lost := map[string]int{}
	defer func() { s.lost = lost }()
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	busy, err := s.Store.Unfinished(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	for c, nics := range gone {
		isBusy := slices.ContainsFunc(busy, func(op inventory.Operation) bool { return op.Container == c.ID })
		pid := s.Observer.Observe(c).InitPID
		if isBusy || pid == 0 {
			continue
		}
		var again []inventory.NIC
		may := sync.OnceValue(func() bool { return s.mayRemake(c.ID) })
		for _, nic := range nics {
			name := c.HostInterface(nic.Index)
			lost[name] = pid
			if s.lost[name] == pid && may() {
				again = append(again, nic)
				repaired = append(repaired, "interface "+name+" of "+c.Ref().String())
			}
		}
		if len(again) > 0 {
			err = errors.Join(err, s.remakeNICs(ctx, c, again))
		}
	}
	return repaired, err
}

// goneNICs are the interfaces of containers that run of which the host has no end.
func (s *Service) goneNICs(ctx context.Context) (map[*inventory.Container][]inventory.NIC, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	here := make(map[string]bool, len(links))
	for _, link := range links {
		here[link.Name] = true
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	networks, err := s.Addresses.Networks(ctx)
	gone := map[*inventory.Container][]inventory.NIC{}
	for _, c := range all {
		for _, nic := range c.NICs {
			if nic.IsPlain() || here[c.HostInterface(nic.Index)] || networks[nic.Network].Type == inventory.NetworkMACVLAN {
				continue
			}
			if state := s.Observer.State(c); state == inventory.StateRunning || state == inventory.StateFrozen {
				gone[c] = append(gone[c], nic)
			}
		}
	}
	return gone, err
}

const (
	// remakeTime is the first pause after an interface was made again; each further one is twice as long,
	// up to mostRemake: a container's root can take its own away as often as it likes.
	remakeTime = 2 * time.Second
	mostRemake = time.Minute
	// remakeMemory is how long a container has to be well for the pauses to begin anew.
	remakeMemory = 10 * time.Minute
)

// mayRemake bounds how often interfaces of one container are made again.
func (s *Service) mayRemake(id inventory.ContainerID) bool {
	was, now := s.remade[id], s.Now()
	since := now.Sub(was.last)
	if since >= remakeMemory || since < 0 {
		was.count = 0
	}
	if was.count > 0 && since < min(mostRemake, remakeTime<<min(was.count-1, 10)) {
		return false
	}
	s.remade[id] = remakes{was.count + 1, now}
	return true
}

// remakes is how often interfaces of a container were made again, and when last.
type remakes struct {
	count int
	last  time.Time
}

// remakeNICs guards interfaces, makes them, and bounds them.
func (s *Service) remakeNICs(ctx context.Context, c *inventory.Container, nics []inventory.NIC) error {
	defer s.lockDevices(c.ID)()
	b, err := s.boot(ctx, c)
	if err != nil {
		return err
	}
	if err := s.Traffic.Guard(ctx, b.Networks, c); err != nil {
		return err
	}
	if err := s.Plugs.Plug(ctx, b, nics...); err != nil {
		return err
	}
	if err := s.Traffic.Guard(ctx, b.Networks, c); err != nil { // older kernels hang rules on what is there
		return err
	}
	if !boundsTraffic(b.Settings) {
		return nil
	}
	return s.reshapeTraffic(ctx, c, b.Settings)
}
