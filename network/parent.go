package network

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
)

// checkParent reports whether the host's interface that a network of others is on is there and can be
// used as the network's type says.
func checkParent(n inventory.Network) error {
	if n.IsRouted() && n.Bridge == "" {
		return nil
	}
	link, err := netlink.LinkByName(n.Bridge)
	if _, missing := err.(netlink.LinkNotFoundError); missing {
		return inventory.Errorf(inventory.ErrNotFound, "network %s: this host has no interface %s", n.Name, n.Bridge)
	}
	if err != nil {
		return fmt.Errorf("network %s: find %s: %w", n.Name, n.Bridge, err)
	}
	switch isBridge := link.Type() == "bridge"; {
	case n.Type == inventory.NetworkBridge && !isBridge:
		return inventory.Errorf(inventory.ErrInvalid,
			"network %s: %s is a %s and no bridge; --type macvlan puts containers beside the host on it", n.Name, n.Bridge, kindOf(link))
	case n.Type != inventory.NetworkBridge && link.Attrs().Name == "lo":
		return inventory.Errorf(inventory.ErrInvalid, "network %s: nothing is wired to %s", n.Name, n.Bridge)
	}
	return nil
}

// kindOf names what an interface is; the kernel has no word for a plain network card.
func kindOf(link netlink.Link) string {
	if link.Type() == "device" {
		return "network card"
	}
	return link.Type()
}
