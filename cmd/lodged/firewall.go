package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"lodge/inventory"
	"lodge/manager/firewall"
	"lodge/network"
	"lodge/web/wire"
)

func (a *Agent) newFirewall() *firewall.Service {
	return firewall.New(firewall.Config{Rules: a.store, Forwards: a.store, Estate: a.store, Applier: a.net,
		Taken: a.net.Taken, Now: a.now})
}

// estate is what the network's rules are made of.
func (a *Agent) estate(ctx context.Context) (e network.Estate, err error) {
	if e.Containers, err = a.store.ContainersOnHost(ctx, a.host.ID); err != nil {
		return e, err
	}
	if e.Rules, err = a.store.FirewallRules(ctx); err != nil {
		return e, err
	}
	if e.Forwards, err = a.store.Forwards(ctx); err != nil {
		return e, err
	}
	e.Within, err = a.newFirewall().Within(ctx)
	return e, err
}

// rulesSettle is how long the rules wait for more changes after one.
const rulesSettle = 100 * time.Millisecond

// keepNetwork lets the network's rules follow the estate, and repairs what others did to them.
func (a *Agent) keepNetwork(ctx context.Context) {
	poked, stop := a.store.Subscribe()
	defer stop()
	tick := time.NewTicker(network.CheckTime)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-poked:
			time.Sleep(rulesSettle)
			err = a.net.ApplyRules(ctx)
		case <-tick.C:
			var repaired []string
			if repaired, err = a.net.Repair(ctx); len(repaired) > 0 {
				a.log.Warn("the network was changed by somebody else and is repaired", "what", repaired)
				a.noteRepair(ctx, repaired)
			}
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("the network is not as it should be; trying again", "error", err)
		}
	}
}

// keepInterfaces gives running containers the interfaces again that somebody took away.
func (a *Agent) keepInterfaces(ctx context.Context) {
	tick := time.NewTicker(network.CheckTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		repaired, err := a.container.RepairNICs(ctx)
		if len(repaired) > 0 {
			a.log.Warn("interfaces were gone and are made again", "what", repaired)
			a.noteRepair(ctx, repaired)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("interfaces are not as they should be; trying again", "error", err)
		}
	}
}

func (a *Agent) noteRepair(ctx context.Context, what []string) {
	data, _ := json.Marshal(map[string][]string{"repaired": what}) // strings can't fail
	err := a.store.AppendEvent(ctx, inventory.Event{Type: "network.repaired", Name: defaultNetwork, Data: data})
	if err != nil {
		a.log.Error("an event was not kept", "type", "network.repaired", "error", err)
	}
}

// FirewallRules are all rules, containers by their names.
func (r reads) FirewallRules(ctx context.Context) ([]wire.FirewallRule, error) {
	all, err := r.Store.FirewallRules(ctx)
	out := make([]wire.FirewallRule, len(all))
	for i, rule := range all {
		out[i] = wire.FromFirewallRule(rule, func(id inventory.ContainerID) string { return r.nameOf(ctx, id) })
	}
	return out, err
}

// nameOf is what people call a container, its id when it is gone.
func (r reads) nameOf(ctx context.Context, id inventory.ContainerID) string {
	c, err := r.Store.Container(ctx, inventory.Ref{Name: string(id)})
	if err != nil {
		return string(id)
	}
	return c.Ref().String()
}

// TestFirewall says what would become of a connection.
func (r reads) TestFirewall(ctx context.Context, args inventory.FirewallArgs) (wire.FirewallVerdict, error) {
	v, err := r.firewall.Test(ctx, args)
	out := wire.FirewallVerdict{Allowed: v.Allowed, Why: v.Why}
	if v.Rule != nil {
		name := func(id inventory.ContainerID) string { return r.nameOf(ctx, id) }
		out.Rule, out.Why = v.Rule.ID, "rule "+v.Rule.ID+": "+v.Rule.Named(name)
	}
	return out, err
}

// FirewallLog is what was told of lately, with the names of those who have the addresses now.
func (r reads) FirewallLog(ctx context.Context) ([]wire.FirewallDrop, error) {
	all, err := r.Store.ContainersOnHost(ctx, r.host.ID)
	names := map[netip.Addr]string{}
	for _, c := range all {
		for _, nic := range c.NICs {
			for _, ip := range []netip.Addr{nic.IPv4, nic.IPv6} {
				if ip.IsValid() {
					names[ip] = c.Ref().String()
				}
			}
		}
	}
	drops := r.drops()
	out := make([]wire.FirewallDrop, len(drops))
	for i, d := range drops {
		out[i] = wire.FirewallDrop{At: d.At, Allowed: d.Allowed, Rule: d.Rule, From: d.From.String(), FromName: names[d.From], To: d.To.String(),
			ToName: names[d.To], Protocol: d.Protocol, Port: d.Port}
	}
	return out, err
}

// ForwardList are all forwards, containers by their names.
func (r reads) ForwardList(ctx context.Context) ([]wire.Forward, error) {
	all, err := r.Forwards(ctx)
	out := make([]wire.Forward, len(all))
	for i, f := range all {
		out[i] = wire.Forward{ID: f.ID, Listen: f.Listen(), Target: f.Target(r.nameOf(ctx, f.Container)),
			Reason: f.Reason, CreatedAt: f.CreatedAt.UTC()}
	}
	return out, err
}
