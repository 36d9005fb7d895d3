package main

import (
	"context"

	"lodge/network"
)

// traffic bounds interfaces as a container's settings say.
type traffic struct{ net *network.Service }

func (t traffic) Shape(ctx context.Context, iface string, values map[string]string) error {
	rates, err := network.ReadRates(values)
	if err != nil {
		return err
	}
	return t.net.Shape(ctx, iface, rates)
}
