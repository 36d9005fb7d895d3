package network

import (
	"errors"
	"maps"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
)

// hairpins let a container reach itself by a port of the host that is forwarded to it: its own port of the
// bridge has to send back what came from there (brctl(8), hairpin). No other port does, as a container then
// hears its own broadcasts. Called with apply held.
func (s *Service) hairpins(e Estate) error {
	wanted := map[string]bool{}
	forwarded := map[inventory.ContainerID]bool{}
	for _, f := range e.Forwards {
		forwarded[f.Container] = true
	}
	for _, c := range e.Containers {
		if !forwarded[c.ID] || c.IsTrashed() {
			continue
		}
		for _, nic := range c.NICs {
			wanted[c.HostInterface(nic.Index)] = true
		}
	}
	var errs []error
	for name := range wanted {
		errs = append(errs, s.hairpin(name, true))
	}
	for name := range maps.Clone(s.hairpinned) {
		if !wanted[name] {
			errs = append(errs, s.hairpin(name, false))
		}
	}
	return errors.Join(errs...)
}

// hairpin sets one interface if it is there and a port of a bridge. One that is made anew has a new index.
func (s *Service) hairpin(name string, on bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil || link.Attrs().MasterIndex == 0 {
		delete(s.hairpinned, name)
		return nil
	}
	at := port{link.Attrs().Index, link.Attrs().MasterIndex}
	if on && s.hairpinned[name] == at {
		return nil
	}
	if err := netlink.LinkSetHairpin(link, on); err != nil {
		return err
	}
	if s.hairpinned[name] = at; !on {
		delete(s.hairpinned, name)
	}
	return nil
}

// A port is an interface and the bridge it is on, by their numbers.
type port struct{ index, bridge int }
