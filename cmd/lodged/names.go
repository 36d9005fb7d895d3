package main

import (
	"context"
	"os"

	"lodge/inventory"
	"lodge/manager/systemd"
	"lodge/network"
)

// zone publishes containers through the network service.
type zone struct{ *network.Service }

func (z zone) Publish(ctx context.Context, all []*inventory.Container) error {
	flat := make([]inventory.Container, len(all))
	for i, c := range all {
		flat[i] = *c
	}
	return z.Service.Publish(ctx, flat)
}

// detached starts processes that outlive the agent and are not waited for.
type detached struct{ *systemd.Starter }

func (d detached) Start(ctx context.Context, name string, argv []string) error {
	_, err := d.Starter.Start(ctx, name, argv)
	return err
}

// hostName is what this machine calls itself.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
