package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A Directory is every user, group, binding and token at one instant, arranged so that a question
// about one of them costs a look at what that one holds. It never changes and may be shared.
type Directory struct {
	users    map[UserID]User
	groups   map[GroupID]Group
	tokens   map[TokenID]Token
	byName   map[string]GroupMember
	byUID    map[uint32]UserID
	byKey    map[string]UserID
	byHash   map[string]TokenID
	holds    map[UserID]*holdings
	bindings []Binding
	admins   []User
	deciders []User
	revoked  Revoked
	// authorities are those from outside, by name.
	authorities []Authority
	// sessions says that some binding gives a way into containers.
	sessions bool
}

// holdings are one user's bindings, their groups' among them, by what they hold on.
type holdings struct {
	names     []string // what a container's owner is called that is them, or a group they are in
	host      []Binding
	project   map[string][]Binding
	container map[string][]Binding
	selector  []Binding
}

// Revoked are the certificates and keys that tell nobody any more.
type Revoked struct {
	Serials map[uint64]bool
	Keys    map[string]RevokedKey // by fingerprint
}

// Without returns the directory with what is revoked taken back.
func (d *Directory) Without(r Revoked) *Directory {
	out := *d
	out.revoked = r
	return &out
}

// RevokedKey returns how a key was forbidden; ok is false for one that was not.
func (d *Directory) RevokedKey(fingerprint string) (k RevokedKey, ok bool) {
	k, ok = d.revoked.Keys[fingerprint]
	return k, ok
}

// RevokedKeys are the fingerprints of all, in order.
func (d *Directory) RevokedKeys() []string { return slices.Sorted(maps.Keys(d.revoked.Keys)) }

// IsRevoked reports whether the certificate or key that p showed counts no more.
func (d *Directory) IsRevoked(p Principal) bool {
	_, key := d.revoked.Keys[p.Key]
	return key || p.Serial != 0 && p.Authority == "" && d.revoked.Serials[p.Serial]
}

// NewDirectory arranges the rows. Groups that hold each other are survived: each counts once.
func NewDirectory(users []User, groups []Group, bindings []Binding, tokens []Token) *Directory {
	d := &Directory{users: map[UserID]User{}, groups: map[GroupID]Group{}, tokens: map[TokenID]Token{},
		byName: map[string]GroupMember{}, byUID: map[uint32]UserID{}, byKey: map[string]UserID{},
		byHash: map[string]TokenID{}, holds: map[UserID]*holdings{}, bindings: bindings}
	for _, u := range users {
		d.users[u.ID], d.byName[u.Name] = u, GroupMember{User: u.ID}
		for _, uid := range u.UIDs {
			d.byUID[uid] = u.ID
		}
		for _, k := range u.Keys {
			d.byKey[k.Fingerprint] = u.ID
		}
	}
	for _, g := range groups {
		d.groups[g.ID], d.byName[g.Name] = g, GroupMember{Group: g.ID}
	}
	for _, t := range tokens {
		d.tokens[t.ID], d.byHash[t.Hash] = t, t.ID
	}
	d.arrange()
	return d
}

func (d *Directory) arrange() {
	above := map[GroupMember][]GroupID{} // the groups somebody is directly in
	for _, id := range slices.Sorted(maps.Keys(d.groups)) {
		for _, m := range d.groups[id].Members {
			above[m] = append(above[m], id)
		}
	}
	of := map[GroupMember][]Binding{}
	for _, b := range d.bindings {
		of[b.Subject] = append(of[b.Subject], b)
		d.sessions = d.sessions || b.Role.Gives(RightSession, &Container{})
	}
	for id, u := range d.users {
		h := &holdings{names: []string{u.Name}, project: map[string][]Binding{}, container: map[string][]Binding{}}
		h.add(of[GroupMember{User: id}])
		for _, g := range closure(above, GroupMember{User: id}) {
			h.names = append(h.names, d.groups[g].Name)
			h.add(of[GroupMember{Group: g}])
		}
		d.holds[id] = h
		if !u.IsDisabled() && slices.ContainsFunc(h.host, isLastingAdmin) {
			d.admins = append(d.admins, u)
		}
		if !u.IsDisabled() && h.decides() {
			d.deciders = append(d.deciders, u)
		}
	}
	slices.SortFunc(d.admins, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
}

func isLastingAdmin(b Binding) bool { return b.Role == RoleAdmin && b.Expires.IsZero() }

// closure are all groups that start is in, directly or through others, nearest first.
func closure(above map[GroupMember][]GroupID, start GroupMember) (all []GroupID) {
	seen := map[GroupID]bool{}
	for next := above[start]; len(next) > 0; {
		var further []GroupID
		for _, g := range next {
			if !seen[g] {
				seen[g] = true
				all, further = append(all, g), append(further, above[GroupMember{Group: g}]...)
			}
		}
		next = further
	}
	return all
}

func (h *holdings) add(bindings []Binding) {
	for _, b := range bindings {
		switch b.On.Kind {
		case OnHost:
			h.host = append(h.host, b)
		case OnProject:
			h.project[b.On.Value] = append(h.project[b.On.Value], b)
		case OnContainer:
			h.container[b.On.Value] = append(h.container[b.On.Value], b)
		case OnSelector:
			h.selector = append(h.selector, b)
		}
	}
}

// all calls yield with every binding until it returns false.
func (h *holdings) all(yield func(Binding) bool) {
	lists := [][]Binding{h.host, h.selector}
	lists = slices.AppendSeq(lists, maps.Values(h.project))
	lists = slices.AppendSeq(lists, maps.Values(h.container))
	for _, list := range lists {
		for _, b := range list {
			if !yield(b) {
				return
			}
		}
	}
}

// User returns one by id.
func (d *Directory) User(id UserID) (User, bool) {
	u, ok := d.users[id]
	return u, ok
}

// Group returns one by id.
func (d *Directory) Group(id GroupID) (Group, bool) {
	g, ok := d.groups[id]
	return g, ok
}

// Named returns the user or group that is called so.
func (d *Directory) Named(name string) (GroupMember, bool) {
	m, ok := d.byName[name]
	return m, ok
}

// Name is what people call a user or group; its id if it is gone.
func (d *Directory) Name(m GroupMember) string {
	if u, ok := d.users[m.User]; ok {
		return u.Name
	}
	if g, ok := d.groups[m.Group]; ok {
		return g.Name
	}
	return string(m.User) + string(m.Group)
}

// UserOfUID returns whom a uid of this host is linked to.
func (d *Directory) UserOfUID(uid uint32) (User, bool) { return d.User(d.byUID[uid]) }

// UserOfKey returns whose an SSH key is, by its fingerprint ("SHA256:...").
func (d *Directory) UserOfKey(fingerprint string) (User, bool) { return d.User(d.byKey[fingerprint]) }

// TokenOf returns the token of a secret by its hash.
func (d *Directory) TokenOf(hash string) (Token, bool) {
	t, ok := d.tokens[d.byHash[hash]]
	return t, ok
}

// Users are all, by name.
func (d *Directory) Users() []User {
	return slices.SortedFunc(maps.Values(d.users), func(a, b User) int { return strings.Compare(a.Name, b.Name) })
}

// Groups are all, by name.
func (d *Directory) Groups() []Group {
	return slices.SortedFunc(maps.Values(d.groups), func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
}

// Bindings are all, the oldest first.
func (d *Directory) Bindings() []Binding { return slices.Clone(d.bindings) }

// Tokens are all, by id, which is their age.
func (d *Directory) Tokens() []Token {
	return slices.SortedFunc(maps.Values(d.tokens), func(a, b Token) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// GroupNames are the names of the groups a user is in, directly or through others.
func (d *Directory) GroupNames(id UserID) []string {
	h, ok := d.holds[id]
	if !ok {
		return nil
	}
	return slices.Sorted(slices.Values(h.names[1:]))
}

// Admins are the enabled users that hold the role admin on the host for good, by name.
func (d *Directory) Admins() []User { return d.admins }

// InUse reports whether roles are in use: somebody was given one.
func (d *Directory) InUse() bool { return len(d.bindings) > 0 }

// IsOrphaned reports whether a container's owner can answer for it no more: the user is disabled.
// Owners nobody was ever linked to are as they were written.
func (d *Directory) IsOrphaned(c *Container) bool {
	m, ok := d.byName[c.Owner]
	return ok && m.User != "" && d.users[m.User].IsDisabled()
}

// A Holding is one role somebody holds on a container, and why.
type Holding struct {
	User    User
	Role    Role
	Subject string // the user or group it was given to
	On      Extent
	Owner   bool // by owning the container
	Binding BindingID
	Expires time.Time
}

// Holdings are the roles a user holds on c, or on the host where c is nil. A disabled user holds none.
func (d *Directory) Holdings(id UserID, c *Container, now time.Time) (out []Holding) {
	u, h := d.users[id], d.holds[id]
	if h == nil || u.IsDisabled() {
		return nil
	}
	if c != nil && slices.Contains(h.names, c.Owner) {
		out = append(out, Holding{User: u, Role: RoleOwner, Subject: c.Owner, Owner: true,
			On: Extent{Kind: OnContainer, Value: string(c.ID)}})
	}
	for b := range h.on(c) {
		if b.InForce(now) {
			out = append(out, Holding{User: u, Role: b.Role, Subject: d.Name(b.Subject), On: b.On,
				Binding: b.ID, Expires: b.Expires})
		}
	}
	return out
}

// on are the bindings that hold on c. What has no name is a place and no container: what a selector
// says of it says nothing of what lies there.
func (h *holdings) on(c *Container) func(yield func(Binding) bool) {
	return func(yield func(Binding) bool) {
		lists := [][]Binding{h.host}
		if c != nil {
			lists = append(lists, h.container[string(c.ID)], h.project[projectName(c.Project)])
		}
		for _, list := range lists {
			for _, b := range list {
				if !yield(b) {
					return
				}
			}
		}
		for _, b := range h.selector {
			if isPlace := c != nil && c.Name == "" && c.ID == ""; !isPlace && b.On.Holds(c) && !yield(b) {
				return
			}
		}
	}
}

func projectName(name string) string {
	if name == "" {
		return DefaultProject
	}
	return name
}

// Who are the roles everybody holds on c, by user and role.
func (d *Directory) Who(c *Container, now time.Time) (out []Holding) {
	for _, u := range d.Users() {
		out = append(out, d.Holdings(u.ID, c, now)...)
	}
	return out
}

// Auditor names a user who is m, or in it, and holds the role auditor somewhere; empty for none.
func (d *Directory) Auditor(m GroupMember) string {
	group := d.groups[m.Group].Name
	for _, u := range d.Users() {
		h := d.holds[u.ID]
		if u.ID != m.User && (m.Group == "" || !slices.Contains(h.names[1:], group)) {
			continue
		}
		for b := range h.all {
			if b.Role == RoleAuditor {
				return u.Name
			}
		}
	}
	return ""
}
