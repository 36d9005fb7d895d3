package main

import (
	"context"

	"lodge/network"
)

// traffic guards interfaces, and bounds them as a container's settings say.
type traffic struct{ *network.Service }

func (t traffic) Shape(ctx context.Context, iface string, values map[string]string) error {
	rates, err := network.ReadRates(values)
	if err != nil {
		return err
	}
	return t.Service.Shape(ctx, iface, rates)
}
