//go:build !linux

package main

import (
	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

// thisHost: containers run on Linux.
func thisHost(*cli.Context) (*host, error) {
	return nil, inventory.Errorf(inventory.ErrState,
		"doctor looks at the machine it runs on; run it on the host: sudo lodge doctor")
}
