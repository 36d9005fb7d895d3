package main

import (
	"context"
	"net/netip"

	"lodge/inventory"
	"lodge/network"
)

// hostNetworks makes networks real, and keeps other agents of the host off them.
type hostNetworks struct {
	net    *network.Service
	claims network.ClaimConfig
}

func (h hostNetworks) Check(n inventory.Network) error { return h.net.Fits(n) }

func (h hostNetworks) Claim(ctx context.Context, name string, ipv4 netip.Prefix) (string, netip.Prefix, error) {
	c, err := network.ClaimNetwork(ctx, h.claims, name, ipv4)
	return c.Bridge, c.IPv4, err
}

func (h hostNetworks) Ensure(ctx context.Context, n inventory.Network) error {
	return h.net.Ensure(ctx, n)
}

// Remove gives up the claim last: until then no other agent takes what may still be there.
func (h hostNetworks) Remove(ctx context.Context, n inventory.Network) error {
	if n.Bridge != "" {
		if err := h.net.Remove(ctx, n); err != nil {
			return err
		}
	}
	return network.UnclaimNetwork(ctx, h.claims, n.Name)
}
