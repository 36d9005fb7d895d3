package container

import (
	"context"
	"errors"
	"slices"

	"lodge/inventory"
)

// trafficSettings bound what a container's interfaces receive and send.
var trafficSettings = []string{"network.in", "network.out"}

// traffic bounds one interface, named by the host's end, as the settings say.
type traffic interface {
	Shape(ctx context.Context, iface string, values map[string]string) error
}

// powerOn starts a container and bounds its interfaces; fresh ones have no bounds.
func (s *Service) powerOn(ctx context.Context, b inventory.Boot) error {
	if err := s.Power.Start(ctx, b); err != nil || !boundsTraffic(b.Settings) {
		return err
	}
	return s.reshapeTraffic(ctx, b.Container, b.Settings)
}

// dropTraffic takes the bounds of a container that goes away with it.
func (s *Service) dropTraffic(ctx context.Context, c *inventory.Container) error {
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
	for n := range c.NICs {
		err = errors.Join(err, s.Traffic.Shape(ctx, c.HostInterface(n), values))
	}
	return err
}

func concernsTraffic(changed []string) bool {
	return slices.ContainsFunc(trafficSettings,
		func(name string) bool { return slices.Contains(changed, name) })
}
