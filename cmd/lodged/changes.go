package main

import (
	"lodge/inventory"
	"lodge/manager/gate"
)

// approvers has no roles yet: whoever may approve has the one a change asks for.
type approvers struct{ gate.Rights }

func (a approvers) HasRole(p inventory.Principal, _ string, c *inventory.Container) bool {
	return a.Allowed(p, inventory.RightApprove, c)
}
