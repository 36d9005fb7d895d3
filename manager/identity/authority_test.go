package identity

import (
	"errors"
	"testing"

	"lodge/inventory"
)

const corpKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl corp"

// TestAuthorityThatIsTrustedNoMore: what its certificates opened ends with the trust, and with whatever lets it
// speak of a user.
func TestAuthorityThatIsTrustedNoMore(t *testing.T) {
	for what, take := range map[string]func(b *bench, a inventory.Authority, g inventory.Group){
		"it is removed": func(b *bench, _ inventory.Authority, _ inventory.Group) {
			b.edit(inventory.IdentityEdit{DropAuthority: b.ruled(removeAuthority, inventory.AuthorityArgs{Name: "corp"}).DropAuthority})
		},
		"the user leaves the group": func(b *bench, _ inventory.Authority, g inventory.Group) {
			g.Members = nil
			b.edit(inventory.IdentityEdit{Group: &g})
		},
		"the group is gone": func(b *bench, _ inventory.Authority, g inventory.Group) {
			b.edit(inventory.IdentityEdit{DropGroup: g.ID})
		},
		"its key is revoked": func(b *bench, a inventory.Authority, _ inventory.Group) {
			b.edit(inventory.IdentityEdit{RevokedKey: &inventory.RevokedKey{Fingerprint: a.Key.Fingerprint, At: b.now}})
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			dev1 := b.user("dev1", 1001)
			g := inventory.Group{ID: "g1", Name: "devs", Members: []inventory.GroupMember{{User: dev1.ID}}, CreatedAt: b.now}
			b.edit(inventory.IdentityEdit{Group: &g})
			edit := b.ruled(addAuthority, inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"devs"}})
			b.edit(edit)
			b.edit(edit) // as a step that runs again
			theirs := personOf(dev1)
			theirs.Authority = edit.Authority.Key.Fingerprint
			b.open = []inventory.Session{{Principal: theirs}, {Principal: personOf(dev1)}}
			if n, err := b.endUnentitled(t.Context()); n != 0 || err != nil {
				t.Fatalf("%d sessions ended, %v", n, err)
			}
			take(b, *edit.Authority, g)
			if n, err := b.endUnentitled(t.Context()); n != 1 || err != nil || b.open[0].Principal.Authority != "" {
				t.Errorf("%d sessions ended, %v", n, err)
			}
		})
	}
}

func (b *bench) ruled(find rule[inventory.AuthorityArgs], args inventory.AuthorityArgs) inventory.IdentityEdit {
	b.t.Helper()
	out, err := b.find(b.t.Context(), func(c call) (outcome, error) {
		c.id, c.at, c.by = "0190a000-0000-7000-8000-00000000000a", b.now, inventory.Principal{Name: "root"}
		return find(c, args)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.edit
}

// TestAuthoritiesThatAreRefused: one that could speak of everybody, or of who is not there.
func TestAuthoritiesThatAreRefused(t *testing.T) {
	b := newBench(t)
	b.user("dev1", 1001)
	for what, c := range map[string]struct {
		args inventory.AuthorityArgs
		kind error
	}{
		"for nobody in particular": {inventory.AuthorityArgs{Name: "corp", Key: corpKey}, inventory.ErrInvalid},
		"for who is not there":     {inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"eve"}}, inventory.ErrNotFound},
		"no name":                  {inventory.AuthorityArgs{Key: corpKey, For: []string{"dev1"}}, inventory.ErrInvalid},
		"no key":                   {inventory.AuthorityArgs{Name: "corp", Key: "corp", For: []string{"dev1"}}, inventory.ErrInvalid},
		"a principal of nobody":    {inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"dev1"}, Principals: map[string]string{"eve@x": "eve"}}, inventory.ErrNotFound},
		"a wildcard":               {inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"dev1"}, Principals: map[string]string{"*": "dev1"}}, inventory.ErrInvalid},
		"no principal":             {inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"dev1"}, Principals: map[string]string{"": "dev1"}}, inventory.ErrInvalid},
	} {
		_, err := b.find(t.Context(), func(cc call) (outcome, error) { return addAuthority(cc, c.args) })
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", what, err, c.kind)
		}
	}
	edit := b.ruled(addAuthority, inventory.AuthorityArgs{Name: "corp", Key: corpKey, For: []string{"dev1"}})
	b.edit(edit)
	other := *edit.Authority
	other.ID, other.Name = "a2", "other"
	if err := b.store.EditIdentity(t.Context(), inventory.IdentityEdit{Authority: &other}); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("one key twice: %v", err)
	}
}
