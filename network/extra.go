package network

import (
	"context"
	"net/netip"
	"slices"

	"lodge/inventory"
)

// A ClaimedNetwork is the bridge and the subnet of a network beside the default one.
type ClaimedNetwork struct {
	Name   string       `json:"name"`
	Bridge string       `json:"bridge"`
	IPv4   netip.Prefix `json:"ipv4"`
}

// ClaimNetwork claims a bridge and a subnet for one more managed network, ipv4 if it is valid, else a
// free one. A network of that name that has its claim keeps it, unless another subnet is asked for.
// ErrExists: the subnet overlaps what this host or another agent uses. ErrQuota: none is free.
func ClaimNetwork(ctx context.Context, cfg ClaimConfig, name string, ipv4 netip.Prefix) (ClaimedNetwork, error) {
	cfg.setDefaults()
	var claimed ClaimedNetwork
	err := cfg.change(ctx, func(c *Claims, others []Claims) error {
		i := slices.IndexFunc(c.More, func(m ClaimedNetwork) bool { return m.Name == name })
		if i >= 0 && (!ipv4.IsValid() || c.More[i].IPv4 == ipv4) {
			claimed = c.More[i]
			return nil
		}
		claimed = ClaimedNetwork{Name: name}
		all := append(slices.Clone(others), *c)
		if i >= 0 {
			claimed.Bridge = c.More[i].Bridge
			c.More = slices.Delete(c.More, i, i+1)
			all[len(all)-1] = *c
		} else {
			claimed.Bridge = cfg.pickBridge(all)
		}
		pick := cfg
		pick.IPv4 = ipv4
		var err error
		if claimed.IPv4, err = pick.pickIPv4(claimed.Bridge, all); err != nil {
			return err
		}
		c.More = append(c.More, claimed)
		return nil
	})
	return claimed, err
}

// UnclaimNetwork gives a network's claim back; one that has none is no error.
func UnclaimNetwork(ctx context.Context, cfg ClaimConfig, name string) error {
	return cfg.change(ctx, func(c *Claims, _ []Claims) error {
		c.More = slices.DeleteFunc(c.More, func(m ClaimedNetwork) bool { return m.Name == name })
		return nil
	})
}

// change has fn change the agent's claims, under the lock of the host.
func (cfg ClaimConfig) change(ctx context.Context, fn func(c *Claims, others []Claims) error) error {
	cfg.setDefaults()
	unlock, err := lockClaims(ctx, cfg.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	others, err := otherClaims(cfg)
	if err != nil {
		return err
	}
	c, err := loadClaims(cfg.Root)
	if err != nil {
		return err
	}
	if err := fn(&c, others); err != nil {
		return err
	}
	return cfg.save(c)
}

// bridges and subnets are all that the claims hold.
func (c Claims) bridges() []string {
	out := []string{c.Bridge}
	for _, m := range c.More {
		out = append(out, m.Bridge)
	}
	return out
}

func (c Claims) subnets() []netip.Prefix {
	out := []netip.Prefix{c.IPv4}
	for _, m := range c.More {
		out = append(out, m.IPv4)
	}
	return out
}

// Networks returns the managed networks the claims make, as far as claims tell.
func (c Claims) Networks() []inventory.Network {
	out := []inventory.Network{c.Network(inventory.DefaultNetwork)}
	for _, m := range c.More {
		out = append(out, inventory.Network{Name: m.Name, Type: inventory.NetworkManaged, Bridge: m.Bridge, IPv4: m.IPv4})
	}
	return out
}
