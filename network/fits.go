package network

import (
	"net/netip"

	"lodge/inventory"
)

// Fits reports whether the host has room for the network, of which the agent may still have to choose
// bridge and subnet: ErrExists if the subnet overlaps something the host uses, else what Check and the
// host's interface have against it. One the host has already fits.
func (s *Service) Fits(n inventory.Network) error {
	if !n.IsManaged() {
		if err := Check(n); err != nil {
			return err
		}
		if n.IsRouted() && n.Bridge == "" {
			return isFree(n)
		}
		return checkParent(n)
	}
	whole := n
	if whole.Bridge == "" {
		whole.Bridge = "chosen-later"
	}
	if !whole.IPv4.IsValid() {
		whole.IPv4 = netip.MustParsePrefix("10.0.0.1/24")
	}
	if err := Check(whole); err != nil || !n.IPv4.IsValid() {
		return err
	}
	return isFree(n)
}

// isFree refuses a subnet that the host has something else of. The routes to the containers of the
// network itself are not that.
func isFree(n inventory.Network) error {
	occupied, err := Occupied(n.Bridge)
	if err != nil {
		return err
	}
	if overlapsAny(n.IPv4, occupied) {
		return inventory.Errorf(inventory.ErrExists, "network %s can't have %s: this host uses or reaches addresses of it already; choose another",
			n.Name, n.IPv4.Masked())
	}
	return nil
}
