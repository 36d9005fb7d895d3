package main

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/container"
	"lodge/network"
)

const defaultNetwork = inventory.DefaultNetwork

// pickedFor is how long a picked address is not offered again: longer than an admission takes. The
// store's unique index is what makes it certain.
const pickedFor = time.Minute

// addresses joins the address plan, which is pure, with what the store says is held.
type addresses struct {
	store *store.Store
	now   func() time.Time

	mu     sync.Mutex // guards picked, and makes a pick one step
	picked map[netip.Addr]pick
}

// A pick is an address that was given to a container that may not be admitted yet.
type pick struct {
	holder inventory.Ref
	index  int // of the interface
	at     time.Time
}

// Networks returns the host's networks by name, as it can have them now: without IPv6 where that is
// disabled.
func (a *addresses) Networks(ctx context.Context) (map[string]inventory.Network, error) {
	all, err := a.store.Networks(ctx)
	byName := make(map[string]inventory.Network, len(all))
	withIPv6 := network.HasIPv6()
	for _, n := range all {
		if !withIPv6 {
			n.IPv6 = netip.Prefix{}
		}
		byName[n.Name] = n
	}
	return byName, err
}

// Assign picks the addresses of a container's interface.
func (a *addresses) Assign(ctx context.Context, r container.AddressRequest) (inventory.NIC, error) {
	if r.Plain {
		return network.PlainNIC(r.Container.ID, r.Index), nil
	}
	name, want := cmp.Or(r.Network, defaultNetwork), r.Want
	n, err := a.store.Network(ctx, name)
	if err != nil {
		return inventory.NIC{}, err
	}
	var wanted netip.Addr
	if want != "" {
		if wanted, err = netip.ParseAddr(want); err != nil || !wanted.Is4() {
			return inventory.NIC{}, inventory.Errorf(inventory.ErrInvalid, "%q is no IPv4 address", want)
		}
	}
	held, err := a.store.HeldAddresses(ctx, name)
	if err != nil {
		return inventory.NIC{}, err
	}
	reserved, err := a.store.Reservations(ctx, name)
	if err != nil {
		return inventory.NIC{}, err
	}
	who := inventory.Ref{Project: cmp.Or(r.Container.Project, inventory.DefaultProject), Name: r.Container.Name}
	if !wanted.IsValid() {
		wanted = meantFor(who, reserved, held)
	}
	return a.unheld(ctx, n, wanted, func(foreign []inventory.AddressRange) (inventory.NIC, error) {
		return a.choose(network.PlanFor(n, append(foreign, barredTo(who, reserved)...)...), r, wanted, held)
	})
}

// mostForeign is how many addresses that others answer for are passed over before somebody has to
// reserve them.
const mostForeign = 8

// unheld asks the neighbours on a network of the host's own whether somebody has what pick picks, and
// has it pick again until nobody has.
func (a *addresses) unheld(ctx context.Context, n inventory.Network, wanted netip.Addr,
	pick func(foreign []inventory.AddressRange) (inventory.NIC, error)) (inventory.NIC, error) {
	var foreign []inventory.AddressRange
	for {
		nic, err := pick(foreign)
		if err != nil {
			return nic, err
		}
		holder, err := network.Holder(ctx, n, nic.IPv4)
		if err != nil || holder == nil {
			return nic, err
		}
		if foreign = append(foreign, inventory.AddressRange{From: nic.IPv4, To: nic.IPv4}); nic.IPv4 == wanted || len(foreign) > mostForeign {
			return nic, inventory.Errorf(inventory.ErrExists,
				"%s answers for %s on network %s; choose another address, or 'lodge address reserve' those of others", holder, nic.IPv4, n.Name)
		}
	}
}

// barredTo are the reserved addresses that a container can't have.
func barredTo(who inventory.Ref, reserved []inventory.AddressReservation) (out []inventory.AddressRange) {
	for _, r := range reserved {
		if r.Bars(r.Range.From, who) {
			out = append(out, r.Range)
		}
	}
	return out
}

// meantFor is the first address nobody has that is reserved for a container; zero if there is none.
func meantFor(who inventory.Ref, reserved []inventory.AddressReservation, held []inventory.Address) netip.Addr {
	for _, r := range reserved {
		for ip := r.Range.From; r.For == who && r.Range.Contains(ip); ip = ip.Next() {
			if !slices.ContainsFunc(held, func(h inventory.Address) bool { return h.IP == ip }) {
				return ip
			}
		}
	}
	return netip.Addr{}
}

func (a *addresses) choose(plan network.Plan, r container.AddressRequest, wanted netip.Addr,
	held []inventory.Address) (inventory.NIC, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, used := a.now(), map[netip.Addr]bool{}
	for _, h := range held {
		used[h.IP] = true
	}
	for ip, p := range a.picked {
		if age := now.Sub(p.at); age >= pickedFor || age < 0 {
			delete(a.picked, ip)
		}
	}
	nic, err := plan.NIC(r.Container.ID, r.Index, wanted, func(ip netip.Addr) bool {
		p, picked := a.picked[ip]
		own := p.holder == r.Container.Ref() && p.index == r.Index // a plan that is made again
		return used[ip] || picked && ip != wanted && !own          // who names an address means it; the store decides
	})
	if err == nil {
		a.picked[nic.IPv4] = pick{r.Container.Ref(), r.Index, now}
	}
	return nic, err
}
