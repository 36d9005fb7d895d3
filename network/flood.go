package network

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/knftables"

	"lodge/inventory"
)

// What one container may ask of the role in a second, by the hardware address its packets have when
// they enter the bridge. More is dropped before anybody's queue is filled with it: the role answers
// one source no quicker, and its queue has room for several bursts.
const (
	leaseRate, leaseBurst = 20, 60
	namesRate, namesBurst = 5000, 1000
)

// floodMemory is how long a hardware address that went quiet is remembered.
const floodMemory = 10 * time.Second

func floodTable(bridge string) string { return "lodge_flood_" + bridge }

// ensureFloodLimits hangs the limits on the bridge. The hook goes with the interface, so a bridge that
// is made anew needs them anew.
func (s *Service) ensureFloodLimits(ctx context.Context, n inventory.Network) error {
	nft, err := openTable(knftables.NetDevFamily, floodTable(n.Bridge))
	if err != nil {
		return fmt.Errorf("limit floods on bridge %s: %w", n.Bridge, err)
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{}) // so that deleting a missing table is no error
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Lodge, network " + n.Name + "; rewritten whole, don't edit")})
	tx.Add(&knftables.Chain{Name: "flood", Type: knftables.PtrTo(knftables.FilterType),
		Hook: knftables.PtrTo(knftables.IngressHook), Priority: knftables.PtrTo(knftables.FilterPriority),
		Device: &n.Bridge})
	for _, set := range []string{"lease", "names"} {
		tx.Add(&knftables.Set{Name: set, Type: "ether_addr", Flags: []knftables.SetFlag{knftables.DynamicFlag,
			knftables.TimeoutFlag}, Timeout: knftables.PtrTo(floodMemory), Size: knftables.PtrTo[uint64](16384)})
	}
	limit := func(what, set string, rate, burst int) {
		tx.Add(&knftables.Rule{Chain: "flood", Rule: fmt.Sprintf(
			"%s update @%s { ether saddr limit rate over %d/second burst %d packets } counter drop", what, set, rate, burst)})
	}
	limit("udp dport { 67, 547 }", "lease", leaseRate, leaseBurst)
	limit("icmpv6 type nd-router-solicit", "lease", leaseRate, leaseBurst)
	limit("udp dport 53", "names", namesRate, namesBurst)
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("limit floods on bridge %s: %w", n.Bridge, err)
	}
	return nil
}

func (s *Service) removeFloodLimits(ctx context.Context, n inventory.Network) error {
	nft, err := openTable(knftables.NetDevFamily, floodTable(n.Bridge))
	if err != nil {
		return fmt.Errorf("remove the limits of bridge %s: %w", n.Bridge, err)
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	return nft.Run(ctx, tx)
}
