package policy

import (
	"slices"
	"strings"
	"time"

	"lodge/inventory"
)

// People are who there is, at one instant.
type people struct {
	*inventory.Directory
	// members are the members of the Unix group that may use the agent.
	members func() []string
	now     time.Time
}

// A standing is who somebody is beyond their name, as seen from one container or, nil, the host.
type standing struct {
	Roles  []inventory.Role // held on it
	Holds  []inventory.Role // held on anything
	Groups []string
}

// standing tells what p is on c. Whom the host itself makes an administrator holds that role.
func (s people) standing(p inventory.Principal, c *inventory.Container) (st standing) {
	for _, h := range s.Holdings(p.User, c, s.now) {
		if !slices.Contains(st.Roles, h.Role) {
			st.Roles = append(st.Roles, h.Role)
		}
	}
	st.Groups, st.Holds = s.GroupNames(p.User), s.RolesAnywhere(p.User, s.now)
	if s.isHostAdmin(p) {
		for _, list := range []*[]inventory.Role{&st.Roles, &st.Holds} {
			if !slices.Contains(*list, inventory.RoleAdmin) {
				*list = append(*list, inventory.RoleAdmin)
			}
		}
	}
	slices.Sort(st.Roles)
	return st
}

// isHostAdmin reports whether root, or the Unix group for want of roles, makes p an administrator.
func (s people) isHostAdmin(p inventory.Principal) bool {
	return p.Admin && p.Kind == inventory.KindPerson && s.Allows(p, inventory.RightPolicy, nil, s.now)
}

// has reports whether p counts as one with the role on c; "" asks for nobody in particular.
func (s people) has(p inventory.Principal, role string, c *inventory.Container) bool {
	return role == "" || s.HasRole(p, inventory.Role(role), c, s.now)
}

// everybody are all who may ask anything of this host: root, the members of the Unix group that no
// user is linked to, and the users that are not disabled.
func (s people) everybody() []inventory.Principal {
	all := s.hosts()
	for _, u := range s.Users() {
		if !u.IsDisabled() {
			all = append(all, person(u))
		}
	}
	return all
}

// hosts are those whom the host itself knows: root, and the members of the Unix group that are no users.
func (s people) hosts() []inventory.Principal {
	all := []inventory.Principal{rootPrincipal}
	for _, name := range s.members() {
		if _, isUser := s.Named(name); !isUser {
			all = append(all, inventory.Principal{Name: name, Kind: inventory.KindPerson, Admin: true, Proof: "group", From: "unix"})
		}
	}
	return all
}

var rootPrincipal = inventory.Principal{Name: inventory.RootName, Kind: inventory.KindPerson, Admin: true, Proof: "peer uid 0", From: "unix"}

func person(u inventory.User) inventory.Principal {
	return inventory.Principal{Name: u.Name, Kind: inventory.KindPerson, User: u.ID, Proof: "name", From: "unix"}
}

// others are those who beside p could agree as role on c. Root is somebody else only to those who don't
// administer the host themselves: an administrator's root is the same person.
func (s people) others(p inventory.Principal, role string, c *inventory.Container) (all []inventory.Principal) {
	administers := slices.Contains(s.standing(p, nil).Roles, inventory.RoleAdmin)
	candidates := s.hosts()
	for _, u := range s.Deciders() {
		candidates = append(candidates, person(u))
	}
	for _, other := range candidates {
		if other.IsSame(p) || other.IsRoot() && administers || !s.Allows(other, inventory.RightApprove, c, s.now) {
			continue
		}
		if s.has(other, role, c) {
			all = append(all, other)
		}
	}
	return all
}

// named finds who is called that, as they would be if they asked.
func (s people) named(name string) (inventory.Principal, error) {
	for _, p := range s.everybody() {
		if p.Name == name {
			return p, nil
		}
	}
	return inventory.Principal{}, inventory.Errorf(inventory.ErrNotFound,
		"nobody who may ask anything is called %.64s; 'lodge user list' shows who there is", strings.ToValidUTF8(name, "?"))
}
