package wire

import (
	"slices"
	"time"

	"lodge/inventory"
)

// A User is one person, or one program that acts by itself.
type User struct {
	ID         inventory.UserID `json:"id" doc:"Stable, and never given again."`
	Name       string           `json:"name"`
	Note       string           `json:"note,omitempty"`
	UIDs       []uint32         `json:"uids" nullable:"false" doc:"Uids of this host that are them."`
	Keys       int              `json:"keys" doc:"How many SSH keys they have."`
	Groups     []string         `json:"groups" nullable:"false" doc:"Those they are in, directly or through others."`
	Disabled   bool             `json:"disabled"`
	DisabledAt time.Time        `json:"disabled_at,omitzero"`
	CreatedAt  time.Time        `json:"created_at"`
}

// A Group is users, and other groups with theirs.
type Group struct {
	ID        inventory.GroupID `json:"id"`
	Name      string            `json:"name"`
	Note      string            `json:"note,omitempty"`
	Members   []string          `json:"members" nullable:"false" doc:"Users and groups, by name."`
	CreatedAt time.Time         `json:"created_at"`
}

// A UserKey is an SSH public key and whose it is.
type UserKey struct {
	User        string    `json:"user"`
	Fingerprint string    `json:"fingerprint"`
	Type        string    `json:"type"`
	Bits        int       `json:"bits,omitempty" doc:"Of an RSA key."`
	Comment     string    `json:"comment,omitempty"`
	Key         string    `json:"key" doc:"As in a .pub file, without the comment."`
	CreatedAt   time.Time `json:"created_at"`
}

// FromUser writes a user.
func FromUser(u inventory.User, d *inventory.Directory) User {
	return User{ID: u.ID, Name: u.Name, Note: u.Note, UIDs: list(u.UIDs), Keys: len(u.Keys),
		Groups: list(d.GroupNames(u.ID)), Disabled: u.IsDisabled(), DisabledAt: utc(u.Disabled), CreatedAt: u.CreatedAt.UTC()}
}

// FromGroup writes a group with its members' names.
func FromGroup(g inventory.Group, d *inventory.Directory) Group {
	members := make([]string, len(g.Members))
	for i, m := range g.Members {
		members[i] = d.Name(m)
	}
	slices.Sort(members)
	return Group{ID: g.ID, Name: g.Name, Note: g.Note, Members: members, CreatedAt: g.CreatedAt.UTC()}
}

// FromKeys writes a user's keys.
func FromKeys(u inventory.User) []UserKey {
	out := make([]UserKey, len(u.Keys))
	for i, k := range u.Keys {
		out[i] = UserKey{User: u.Name, Fingerprint: k.Fingerprint, Type: k.Type, Bits: k.Bits,
			Comment: k.Comment, Key: k.Line, CreatedAt: k.CreatedAt.UTC()}
	}
	return out
}

// A Role is a set of rights that people are given as one.
type Role struct {
	Name    inventory.Role    `json:"name"`
	Doc     string            `json:"doc"`
	Rights  []inventory.Right `json:"rights" nullable:"false"`
	NotProd []inventory.Right `json:"rights_not_prod" nullable:"false" doc:"Those it gives outside the environment prod alone."`
}

// A Binding gives a user or group a role on something.
type Binding struct {
	ID        inventory.BindingID `json:"id"`
	Role      inventory.Role      `json:"role"`
	To        string              `json:"to" doc:"The user or group."`
	On        string              `json:"on" doc:"host, project:NAME, container:NAME or selector:FILTER."`
	Expires   time.Time           `json:"expires,omitzero"`
	Reason    string              `json:"reason,omitempty"`
	CreatedBy string              `json:"created_by"`
	CreatedAt time.Time           `json:"created_at"`
}

// A Holding is one role a user holds, and why.
type Holding struct {
	User    string         `json:"user"`
	Role    inventory.Role `json:"role"`
	By      string         `json:"by" doc:"The user or group it was given to."`
	On      string         `json:"on" doc:"What it was given on; owner for who owns the container."`
	Expires time.Time      `json:"expires,omitzero"`
}

// FromRole writes a row of the table of roles.
func FromRole(r inventory.RoleRow) Role {
	return Role{Name: r.Role, Doc: r.Doc, Rights: list(r.Rights), NotProd: list(r.NotProd)}
}

// FromBinding writes a binding; names are what people call the containers of extents, by id.
func FromBinding(b inventory.Binding, d *inventory.Directory, names map[string]string) Binding {
	return Binding{ID: b.ID, Role: b.Role, To: d.Name(b.Subject), On: extentText(b.On, names), Expires: utc(b.Expires),
		Reason: b.Reason, CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt.UTC()}
}

func extentText(e inventory.Extent, names map[string]string) string {
	if name, ok := names[e.Value]; ok && e.Kind == inventory.OnContainer {
		return string(e.Kind) + ":" + name
	}
	return e.String()
}

// FromHolding writes a role somebody holds.
func FromHolding(h inventory.Holding, names map[string]string) Holding {
	w := Holding{User: h.User.Name, Role: h.Role, By: h.Subject, On: extentText(h.On, names), Expires: utc(h.Expires)}
	if h.Owner {
		w.On = "owner"
	}
	return w
}

// A Token lets a program act as a user, within bounds of its own. Its secret is kept nowhere.
type Token struct {
	ID        inventory.TokenID `json:"id"`
	Name      string            `json:"name"`
	User      string            `json:"user"`
	Rights    []inventory.Right `json:"rights" nullable:"false" doc:"What it may at most."`
	On        string            `json:"on" doc:"Where."`
	State     string            `json:"state" enum:"good,over,revoked"`
	Expires   time.Time         `json:"expires,omitzero"`
	LastUsed  time.Time         `json:"last_used,omitzero" doc:"To about a minute."`
	CreatedBy string            `json:"created_by"`
	CreatedAt time.Time         `json:"created_at"`
}

// FromToken writes a token as it is at that time.
func FromToken(t inventory.Token, d *inventory.Directory, now time.Time, names map[string]string) Token {
	state := "good"
	switch {
	case !t.Revoked.IsZero():
		state = "revoked"
	case !t.IsGood(now):
		state = "over"
	}
	return Token{ID: t.ID, Name: t.Name, User: d.Name(inventory.GroupMember{User: t.User}), Rights: list(t.Rights),
		On: extentText(t.On, names), State: state, Expires: utc(t.Expires), LastUsed: utc(t.LastUsed),
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt.UTC()}
}
