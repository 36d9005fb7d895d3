package apitest

import (
	"context"

	"lodge/inventory"
)

// SudoGrants are none: nobody's account is here.
func (w reads) SudoGrants(context.Context, inventory.SudoQuery) ([]inventory.SudoGrant, error) {
	return nil, nil
}
