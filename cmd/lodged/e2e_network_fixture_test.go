package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"strings"

	"lodge/inventory"
	"lodge/web/client"
)

// The crash fixtures of networks and reservations. A network is called after its fixture.

func init() { maps.Copy(crashFixtures, networkFixtures) }

var networkFixtures = map[string]func(l *lab, name string) crashFixture{
	"network.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.makingNetwork(inventory.NetworkArgs{Name: name}), has("network "+name, "up")}
	},
	"network.update": func(l *lab, name string) crashFixture {
		l.do(l.makingNetwork(inventory.NetworkArgs{Name: name}))
		mtu := 1400
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.UpdateNetwork(ctx, inventory.NetworkUpdateArgs{Name: name, MTU: &mtu}, client.Options{})
		}, has("network "+name, "mtu=1400 up mtu 1400")}
	},
	"network.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingNetwork(inventory.NetworkArgs{Name: name}))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteNetwork(ctx, name, client.Options{})
		}, lacks("network " + name)}
	},
	"address.reserve": func(l *lab, name string) crashFixture {
		l.do(l.makingNetwork(inventory.NetworkArgs{Name: name}))
		args := inventory.ReserveArgs{Network: name, Range: l.within(name, 9), For: "somebody"}
		return crashFixture{l.reserving(args), has("reserved "+args.Range, "somebody")}
	},
	"address.release": func(l *lab, name string) crashFixture {
		l.do(l.makingNetwork(inventory.NetworkArgs{Name: name}))
		args := inventory.ReserveArgs{Network: name, Range: l.within(name, 9)}
		l.do(l.reserving(args))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Release(ctx, inventory.ReleaseArgs{Network: name, Range: args.Range}, client.Options{})
		}, lacks("reserved " + args.Range)}
	},
}

func (l *lab) makingNetwork(args inventory.NetworkArgs) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateNetwork(ctx, args, client.Options{})
	}
}

func (l *lab) reserving(args inventory.ReserveArgs) mutation {
	return func(ctx context.Context) (client.Answer, error) { return l.api.Reserve(ctx, args, client.Options{}) }
}

// within is the n-th address of a network.
func (l *lab) within(name string, n int) string {
	ip := l.network(name).IPv4
	return fmt.Sprintf("%s.%d", ip[:strings.LastIndex(ip, ".")], n)
}

// addNetworks puts networks into the world, with what the kernel has of them.
func (l *lab) addNetworks(w world) {
	all, err := l.api.Networks(context.Background())
	l.must(err)
	for _, n := range all {
		out, _ := exec.Command("ip", "-o", "link", "show", n.Bridge).CombinedOutput()
		state := "down"
		if strings.Contains(string(out), ",UP") {
			state = "up"
		}
		if f := strings.Fields(string(out)); len(f) > 4 {
			state += " mtu " + f[4]
		}
		w["network "+n.Name] = fmt.Sprintf("%s %s nat=%v mtu=%d %s", n.Type, n.IPv4, n.NAT, n.MTU, state)
	}
	reserved, err := l.api.Reservations(context.Background())
	l.must(err)
	for _, r := range reserved {
		w["reserved "+r.Range] = r.Network + " " + r.For
	}
}
