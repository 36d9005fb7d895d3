package network

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/vishvananda/netlink"
	"sigs.k8s.io/knftables"

	"lodge/inventory"
)

// Names of the settings that bound what a container sends and receives.
const (
	SettingRateIn  = "network.in"
	SettingRateOut = "network.out"
)

// rateSettings hold for each interface of a container alone.
func rateSettings() []inventory.Setting {
	anywhere := []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject, inventory.ScopeContainer}
	row := func(name, doc string) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: anywhere, Type: inventory.TypeBytes,
			Unit: "bytes per second", Default: "0", Min: "0",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow, Doc: doc}
	}
	return []inventory.Setting{
		row(SettingRateIn, "Bytes each of its interfaces may receive in a second; more wait in a queue, 0 for no limit."),
		row(SettingRateOut, "Bytes each of its interfaces may send in a second; more are dropped, which makes TCP slow down, 0 for no limit."),
	}
}

// Rates bound the traffic of one interface in bytes per second; 0 is no bound.
type Rates struct {
	In  inventory.Bytes // to the container
	Out inventory.Bytes // from it
}

// ReadRates reads them among the effective settings of a container.
func ReadRates(values map[string]string) (r Rates, err error) {
	for name, field := range map[string]*inventory.Bytes{SettingRateIn: &r.In, SettingRateOut: &r.Out} {
		if text := values[name]; text != "" && text != "0" {
			if *field, err = inventory.ParseBytes(text); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

const (
	// burstTime is how much traffic may pass at once, as time at the rate, and leastBurst the least:
	// a bucket has to hold the largest packet, which segmentation offload makes 64 KiB and more.
	burstTime  = 0.1 // seconds
	leastBurst = 128 << 10
	// queueTime is how long a packet to the container may wait before the ones behind it are dropped.
	queueTime = 0.05 // seconds
)

func burst(rate inventory.Bytes) uint32 {
	return uint32(max(leastBurst, min(float64(rate)*burstTime, math.MaxUint32/2)))
}

// Shape holds an interface, named by the host's end, to the rates, at once and until it goes. It is
// set on the host's side, where the container's root has no say. One that is not there is held to
// nothing: a start calls Shape again. ErrUnavailable: the kernel can't.
func (s *Service) Shape(ctx context.Context, iface string, r Rates) error {
	link, err := netlink.LinkByName(iface)
	if _, missing := err.(netlink.LinkNotFoundError); missing {
		link, r, err = nil, Rates{}, nil
	}
	if err == nil && link != nil {
		err = shapeIn(link, r.In)
	}
	if err = errors.Join(err, shapeOut(ctx, iface, r.Out)); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "hold %s to its rates: %v", iface, err)
	}
	return nil
}

// shapeIn gives the host's end a token bucket (tc-tbf(8)): what it sends, the container receives.
func shapeIn(link netlink.Link, rate inventory.Bytes) error {
	if rate == 0 {
		return dropBucket(link)
	}
	size := burst(rate)
	return netlink.QdiscReplace(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0),
			Parent: netlink.HANDLE_ROOT},
		Rate: uint64(rate), Limit: size + uint32(min(float64(rate)*queueTime, math.MaxUint32/2)),
		Buffer: netlink.Xmittime(uint64(rate), size)})
}

// dropBucket takes a token bucket off a link and leaves every other queue alone.
func dropBucket(link netlink.Link) error {
	all, err := netlink.QdiscList(link)
	for _, q := range all {
		if q.Type() == "tbf" && q.Attrs().Parent == netlink.HANDLE_ROOT {
			err = errors.Join(err, netlink.QdiscDel(q))
		}
	}
	return err
}

// shapeOut drops what the container sends beyond the rate, as it enters the host (nft(8), limit).
// Each interface has a table: newer kernels keep one whose interface has gone and hang it on the next
// of that name, older ones empty it.
func shapeOut(ctx context.Context, iface string, rate inventory.Bytes) error {
	nft, err := openTable(knftables.NetDevFamily, "lodge_rate_"+iface)
	if err != nil {
		return err
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{}) // so that deleting a missing table is no error
	tx.Delete(&knftables.Table{})
	if rate > 0 {
		tx.Add(&knftables.Table{Comment: knftables.PtrTo("Lodge, " + SettingRateOut + " of a container")})
		tx.Add(&knftables.Chain{Name: "out", Type: knftables.PtrTo(knftables.FilterType),
			Hook: knftables.PtrTo(knftables.IngressHook), Priority: knftables.PtrTo(knftables.FilterPriority),
			Device: &iface})
		tx.Add(&knftables.Rule{Chain: "out", Rule: fmt.Sprintf("limit rate over %d bytes/second burst %d bytes drop",
			rate, burst(rate))})
	}
	return nft.Run(ctx, tx)
}
