// Package identity says what principals may do. In this first form there are two kinds: those who
// administer the host (root, the members of group lodge, the agent itself) and everybody else, who
// may nothing. Roles, groups and bindings take this package's place behind the same method.
package identity

import "lodge/inventory"

// Local judges callers of this host alone.
type Local struct{}

// Allowed reports whether p has the right on c; c is nil for verbs that are on no container.
func (Local) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	return p.Admin
}
