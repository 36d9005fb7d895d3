package inventory

import (
	"slices"
	"time"
)

// Deciders are the enabled users with a role, on anything, that decides about changes; in no order.
func (d *Directory) Deciders() []User { return d.deciders }

func (h *holdings) decides() bool {
	for b := range h.all {
		if b.Role.Gives(RightApprove, nil) {
			return true
		}
	}
	return false
}

// RolesAnywhere are the roles a user holds on anything at all, by a binding in force; sorted. Owning
// a container is none of them.
func (d *Directory) RolesAnywhere(id UserID, now time.Time) (roles []Role) {
	h, ok := d.holds[id]
	if !ok || !d.isEnabled(id) {
		return nil
	}
	for b := range h.all {
		if b.InForce(now) && !slices.Contains(roles, b.Role) {
			roles = append(roles, b.Role)
		}
	}
	slices.Sort(roles)
	return roles
}
