package container

import (
	"context"
	"errors"
	"slices"

	"lodge/inventory"
)

// trafficSettings bound what a container's interfaces receive and send.
var trafficSettings = []string{"network.in", "network.out"}

// traffic holds interfaces to what they may do. Guard lets those of containers send only as
// themselves, also before they exist, until Unguard; Shape bounds one, named by the host's end, as the
// settings say.
type traffic interface {
	Guard(ctx context.Context, networks map[string]inventory.Network, all ...*inventory.Container) error
	Unguard(ctx context.Context, networks map[string]inventory.Network, c *inventory.Container) error
	Shape(ctx context.Context, iface string, values map[string]string) error
}

// powerOn starts a container that can't send as anybody else, and bounds its interfaces; fresh ones have
// no bounds.
func (s *Service) powerOn(ctx context.Context, b inventory.Boot) error {
	if err := s.pool(b.Container).Ready(ctx, string(b.Container.ID)); err != nil {
		return err
	}
	if err := s.Traffic.Guard(ctx, b.Networks, b.Container); err != nil {
		return err
	}
	if err := s.Power.Start(ctx, b); err != nil || !boundsTraffic(b.Settings) {
		return err
	}
	return s.reshapeTraffic(ctx, b.Container, b.Settings)
}

// GuardAll guards every container that runs or may, as an agent that starts finds them.
func (s *Service) GuardAll(ctx context.Context) error {
	networks, err := s.Addresses.Networks(ctx)
	if err != nil {
		return err
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	return s.Traffic.Guard(ctx, networks, all...)
}

// dropTraffic takes the rules and bounds of a container that goes away with it.
func (s *Service) dropTraffic(ctx context.Context, c *inventory.Container) error {
	networks, err := s.Addresses.Networks(ctx)
	if err == nil {
		err = s.Traffic.Unguard(ctx, networks, c)
	}
	if err != nil {
		return err
	}
	values, err := s.Effective(ctx, c)
	if err != nil || !boundsTraffic(inventory.ValueMap(values)) {
		return err
	}
	return s.reshapeTraffic(ctx, c, nil)
}

func boundsTraffic(values map[string]string) bool {
	return slices.ContainsFunc(trafficSettings, func(name string) bool { return values[name] != "0" })
}

// reshapeTraffic bounds every interface, and takes bounds away that are no more. Those of a container
// that doesn't run come with its start.
func (s *Service) reshapeTraffic(ctx context.Context, c *inventory.Container,
	values map[string]string) (err error) {
	for _, n := range c.NICs {
		err = errors.Join(err, s.Traffic.Shape(ctx, c.HostInterface(n.Index), values))
	}
	return err
}

func concernsTraffic(changed []string) bool {
	return slices.ContainsFunc(trafficSettings,
		func(name string) bool { return slices.Contains(changed, name) })
}
