package inventory

import (
	"slices"
	"time"
)

// Allows reports whether p has the right on c, or, where c is nil, on what is on no container: that
// takes a role on the host, but to create, which may be in some project, and to ask at all, which
// every user may.
//
// The agent itself may everything, and so may root, whom nothing in here could hold. A member of the
// Unix group lodge is admin as long as no user is by a role; and while nobody was given a
// way into containers by one (operator, owner), that admin has it too. So a fresh host has one
// administrator who needs no roles, and the first grants take from the group what they give to people.
//
// A token narrows what its user may. A disabled user may nothing, by whatever proof.
func (d *Directory) Allows(p Principal, right Right, c *Container, now time.Time) bool {
	if p.Kind == KindSystem {
		return p.Admin
	}
	if p.IsRoot() {
		return true
	}
	if p.Kind == KindToken {
		t, ok := d.tokens[p.Token]
		if !ok || t.User != p.User || !t.IsGood(now) || !t.Allows(right, c) {
			return false
		}
	}
	if p.User != "" && !d.isEnabled(p.User) {
		return false
	}
	if p.Admin && p.Kind == KindPerson && d.groupAllows(right) {
		return true
	}
	return p.User != "" && d.userAllows(p.User, right, c, now)
}

func (d *Directory) isEnabled(id UserID) bool {
	u, ok := d.users[id]
	return ok && !u.IsDisabled()
}

// groupAllows says what members of the Unix group may by that alone.
func (d *Directory) groupAllows(right Right) bool {
	switch {
	case len(d.admins) > 0:
		return false
	case d.sessions:
		return RoleAdmin.Gives(right, nil)
	}
	return true
}

func (d *Directory) userAllows(id UserID, right Right, c *Container, now time.Time) bool {
	h := d.holds[id]
	if right == RightEnter {
		return true
	}
	if c != nil && RoleOwner.Gives(right, c) && slices.Contains(h.names, c.Owner) {
		return true
	}
	if c == nil && right == RightCreate {
		for b := range h.all {
			if b.InForce(now) && b.Role.Gives(right, nil) {
				return true
			}
		}
		return false
	}
	for b := range h.on(c) {
		if b.InForce(now) && b.Role.Gives(right, c) {
			return true
		}
	}
	return false
}

// HasRole reports whether p holds the role on c, or on the host where c is nil. Who is admin by the
// host alone, see Allows, holds every role that may do no more; an admin is an approver, too.
func (d *Directory) HasRole(p Principal, role Role, c *Container, now time.Time) bool {
	if p.Kind != KindPerson {
		return false
	}
	if p.IsRoot() || p.Admin && d.groupAllows(RightApprove) && (p.User == "" || d.isEnabled(p.User)) {
		return true
	}
	return slices.ContainsFunc(d.Holdings(p.User, c, now), func(h Holding) bool {
		return h.Role == role || h.Role == RoleAdmin && role == RoleApprover
	})
}

// Check refuses what must not be: one identity with roles that are kept apart, by whatever group, and
// groups that hold each other.
func (d *Directory) Check() error {
	for _, g := range d.Groups() {
		if slices.Contains(d.within(g.ID), g.ID) {
			return Errorf(ErrInvalid, "group %s would hold itself; a group can't be a member of what it holds", g.Name)
		}
	}
	for _, u := range d.Users() {
		var roles []Role
		for b := range d.holds[u.ID].all {
			roles = append(roles, b.Role)
		}
		if pair := Conflict(roles); pair != "" {
			return Errorf(ErrDenied, "%s would be %s at once; who reads the record of what is done must not do it", u.Name, pair)
		}
	}
	return nil
}

// within are the groups below g.
func (d *Directory) within(g GroupID) []GroupID {
	below := map[GroupMember][]GroupID{}
	for id, group := range d.groups {
		for _, m := range group.Members {
			if m.Group != "" {
				below[GroupMember{Group: id}] = append(below[GroupMember{Group: id}], m.Group)
			}
		}
	}
	return closure(below, GroupMember{Group: g})
}
