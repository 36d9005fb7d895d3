package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (b *bench) directory() *inventory.Directory {
	b.t.Helper()
	d, err := b.Directory(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) edit(e inventory.IdentityEdit) {
	b.t.Helper()
	if err := b.EditIdentity(b.t.Context(), e); err != nil {
		b.t.Fatal(err)
	}
}

// refuses expects that the edit is refused, tried and done, and that nothing of it stays.
func (b *bench) refuses(e inventory.IdentityEdit, kind error, text string) {
	b.t.Helper()
	before := len(b.directory().Users()) + len(b.directory().Groups()) + len(b.directory().Bindings())
	for what, err := range map[string]error{"tried": b.TryIdentity(b.t.Context(), e), "done": b.EditIdentity(b.t.Context(), e)} {
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
			b.t.Errorf("%s: %v, want %v with %q", what, err, kind, text)
		}
	}
	if after := len(b.directory().Users()) + len(b.directory().Groups()) + len(b.directory().Bindings()); after != before {
		b.t.Errorf("%q left something", text)
	}
}

func (b *bench) user(name string, uid uint32) inventory.User {
	b.t.Helper()
	u := inventory.User{ID: inventory.UserID(inventory.NewID(b.clock())), Name: name, UIDs: []uint32{uid}, CreatedAt: b.clock()}
	b.edit(inventory.IdentityEdit{User: &u})
	return u
}

func (b *bench) bound(role inventory.Role, to inventory.GroupMember, extent string) inventory.Binding {
	b.t.Helper()
	on, err := inventory.ParseExtent(extent)
	if err != nil {
		b.t.Fatal(err)
	}
	b.later(time.Second) // ids sort by time
	return inventory.Binding{ID: inventory.BindingID(inventory.NewID(b.clock())), Role: role, Subject: to, On: on,
		Reason: "r", CreatedBy: "root", CreatedAt: b.clock()}
}

func TestIdentity(t *testing.T) {
	b := open(t)
	dev1, ops1 := b.user("dev1", 1001), b.user("ops1", 1002)
	dev := inventory.GroupMember{User: dev1.ID}
	g := inventory.Group{ID: "g1", Name: "ops", Note: "on call", Members: []inventory.GroupMember{{User: ops1.ID}}, CreatedAt: b.clock()}
	b.edit(inventory.IdentityEdit{Group: &g})
	key, err := inventory.ParseSSHKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl laptop")
	if err != nil {
		t.Fatal(err)
	}
	key.CreatedAt = b.clock()
	dev1.Keys, dev1.UIDs = []inventory.SSHKey{key}, []uint32{1001, 1003}
	b.edit(inventory.IdentityEdit{User: &dev1})
	admin := b.bound(inventory.RoleAdmin, inventory.GroupMember{Group: "g1"}, "host")
	viewer := b.bound(inventory.RoleViewer, dev, "selector:label.team=x")
	viewer.Expires = b.clock().AddDate(0, 0, 1)
	b.edit(inventory.IdentityEdit{Binding: &admin})
	b.edit(inventory.IdentityEdit{Binding: &viewer})
	on, _ := inventory.ParseExtent("project:shop")
	token := inventory.Token{ID: "t1", Name: "ci", User: dev1.ID, Rights: []inventory.Right{inventory.RightView}, On: on,
		Hash: inventory.TokenHash("s"), Expires: b.clock().AddDate(1, 0, 0), CreatedBy: "dev1", CreatedAt: b.clock()}
	b.edit(inventory.IdentityEdit{Token: &token})

	d := b.directory()
	if u, _ := d.UserOfUID(1003); u.ID != dev1.ID || len(u.Keys) != 1 || u.Keys[0] != key {
		t.Errorf("uid 1003 is %+v", u)
	}
	if u, _ := d.UserOfKey(key.Fingerprint); u.ID != dev1.ID {
		t.Errorf("the key is %+v", u)
	}
	if k, ok := d.TokenOf(inventory.TokenHash("s")); !ok || k.On.String() != "project:shop" || !k.Expires.Equal(token.Expires) {
		t.Errorf("the token is %+v", k)
	}
	if again := b.directory(); again != d {
		t.Error("the directory was read twice without a change")
	}
	if all := d.Bindings(); len(all) != 2 || all[1].On.String() != "selector:label.team=x" || !all[1].Expires.Equal(viewer.Expires) {
		t.Errorf("bindings: %+v", all)
	}

	other := ops1
	other.UIDs = []uint32{1003}
	b.refuses(inventory.IdentityEdit{User: &other}, inventory.ErrExists, "uid 1003 is dev1")
	other.UIDs, other.Keys = nil, dev1.Keys
	b.refuses(inventory.IdentityEdit{User: &other}, inventory.ErrExists, "dev1's")
	b.refuses(inventory.IdentityEdit{User: &inventory.User{ID: "u9", Name: "ops"}}, inventory.ErrExists, "a group ops")
	b.refuses(inventory.IdentityEdit{DropBinding: admin.ID}, inventory.ErrState, "ops1 is the last admin")
	b.refuses(inventory.IdentityEdit{DropUser: ops1.ID}, inventory.ErrState, "last admin")
	ops1.Disabled = b.clock()
	b.refuses(inventory.IdentityEdit{User: &ops1}, inventory.ErrState, "last admin")
	audits := b.bound(inventory.RoleAuditor, inventory.GroupMember{User: ops1.ID}, "project:shop")
	b.refuses(inventory.IdentityEdit{Binding: &audits}, inventory.ErrDenied, "auditor and admin")
	looped := g
	looped.Members = []inventory.GroupMember{{Group: "g1"}}
	b.refuses(inventory.IdentityEdit{Group: &looped}, inventory.ErrInvalid, "would hold itself")

	c := b.container("web1")
	c.Owner = "dev1"
	b.made(c)
	b.refuses(inventory.IdentityEdit{DropUser: dev1.ID}, inventory.ErrState, "web1")
	b.purge(c)
	b.edit(inventory.IdentityEdit{DropUser: dev1.ID})
	if d := b.directory(); len(d.Users()) != 1 || len(d.Bindings()) != 1 || len(d.Tokens()) != 0 {
		t.Errorf("dev1 left %v, %v, %v", d.Users(), d.Bindings(), d.Tokens())
	}
}

// purge takes the container's row away.
func (b *bench) purge(c *inventory.Container) {
	b.t.Helper()
	now, err := b.Container(b.t.Context(), inventory.Ref{Name: string(c.ID)})
	if err != nil {
		b.t.Fatal(err)
	}
	op := b.admit(b.admission("container.purge", now, nil))
	b.end(gate.Ending{ID: op.ID, Remove: true})
}
