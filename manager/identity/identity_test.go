package identity

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"lodge/inventory"
	rows "lodge/inventory/store"
)

// bench is a service over a real store, and sessions in memory.
type bench struct {
	*Service
	t       *testing.T
	store   *rows.Store
	members map[string]bool
	open    []inventory.Session
	now     time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, members: map[string]bool{"bob": true}, now: time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	var err error
	b.store, err = rows.Open(t.Context(), rows.Config{Path: filepath.Join(t.TempDir(), "db"), Log: slog.New(slog.DiscardHandler), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	if _, err := b.store.EnsureHost(t.Context(), "machine", "host"); err != nil {
		t.Fatal(err)
	}
	b.Service = New(Config{Store: b.store, Certificates: b.store, Containers: b.store, Sessions: b, Changed: func(context.Context) error { return nil },
		IsMember: func(name string) bool { return b.members[name] }, Log: slog.New(slog.DiscardHandler), Now: clock})
	return b
}

// EndAll implements sessions.
func (b *bench) EndAll(_ context.Context, _, _ string, match func(inventory.Session) bool) (n int, err error) {
	var left []inventory.Session
	for _, s := range b.open {
		if match(s) {
			n++
			continue
		}
		left = append(left, s)
	}
	b.open = left
	return n, nil
}

func (b *bench) edit(e inventory.IdentityEdit) {
	b.t.Helper()
	if err := b.store.EditIdentity(b.t.Context(), e); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) user(name string, uids ...uint32) inventory.User {
	b.t.Helper()
	u := inventory.User{ID: inventory.UserID("u-" + name), Name: name, UIDs: uids, CreatedAt: b.now}
	b.edit(inventory.IdentityEdit{User: &u})
	return u
}

func (b *bench) local(peer inventory.Peer) inventory.Principal {
	b.t.Helper()
	p, err := b.Local(b.t.Context(), peer)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// What a member of the Unix group agreed to, or scheduled, counts as long as they are one, and no user
// by their uid: their rights are not in any table that could lose them.
func TestFormerMemberOfTheGroup(t *testing.T) {
	for name, leave := range map[string]func(*bench){
		"left the group":   func(b *bench) { delete(b.members, "bob") },
		"is a user by now": func(b *bench) { b.user("robert", 1005) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			bob := b.local(inventory.Peer{UID: 1005, Login: inventory.NoUID, Name: "bob", Member: true})
			scheduled := bob
			scheduled.Proof = "deadline d1"
			may := func(p inventory.Principal) bool {
				return b.Allowed(p, inventory.RightApprove, nil) && b.HasRole(p, "approver", nil)
			}
			if !may(bob) || !may(scheduled) {
				t.Fatal("a member of the group may not approve on a fresh host")
			}
			leave(b)
			if may(bob) {
				t.Error("they may still approve")
			}
			if b.members["bob"] != may(scheduled) {
				t.Error("what they scheduled is not judged by the group as it is")
			}
		})
	}
	b := newBench(t)
	b.user("bob", 2000)
	other := b.local(inventory.Peer{UID: 1005, Login: inventory.NoUID, Name: "bob", Member: true})
	if other.Name != "bob (uid 1005)" || !b.Allowed(other, inventory.RightApprove, nil) {
		t.Errorf("who is called like a user is %+v", other)
	}
	root := inventory.Principal{Name: inventory.RootName, Kind: inventory.KindPerson, Admin: true, Proof: "peer uid 0"}
	if !b.Allowed(root, inventory.RightApprove, nil) {
		t.Error("root was asked for the group")
	}
}

// Whatever somebody has open ends with them, also what is in no container yet or in one that is gone.
func TestDisabledUserHasNothingOpen(t *testing.T) {
	b := newBench(t)
	dev1, ops1 := b.user("dev1", 1001), b.user("ops1", 1002)
	person := func(u inventory.User) inventory.Principal {
		return inventory.Principal{Name: u.Name, User: u.ID, Kind: inventory.KindPerson}
	}
	for _, u := range []inventory.User{dev1, ops1} {
		b.open = append(b.open, inventory.Session{Principal: person(u)}, inventory.Session{Principal: person(u), Container: "c-gone"})
	}
	if n, err := b.endUnentitled(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d sessions of users who may ask were ended: %v", n, err)
	}
	dev1.Disabled = b.now
	b.edit(inventory.IdentityEdit{User: &dev1})
	if n, err := b.endUnentitled(t.Context()); n != 2 || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
	for _, s := range b.open {
		if s.Principal.User != ops1.ID {
			t.Errorf("%+v is still open", s)
		}
	}
}

// Whatever a certificate has opened ends with it; what the same user has open otherwise goes on.
func TestCertificateThatIsOver(t *testing.T) {
	b := newBench(t)
	dev1 := b.user("dev1", 1001)
	by := inventory.Principal{Name: dev1.Name, User: dev1.ID, Kind: inventory.KindPerson}
	certified := by
	certified.Until = b.now.Add(8 * time.Hour)
	b.open = []inventory.Session{{Principal: by}, {Principal: certified}}
	b.now = certified.Until.Add(-time.Second)
	if n, err := b.endUnentitled(t.Context()); n != 0 || err != nil || !b.Allowed(certified, inventory.RightEnter, nil) {
		t.Fatalf("%d sessions ended before their time, %v", n, err)
	}
	b.now = certified.Until
	if n, err := b.endUnentitled(t.Context()); n != 1 || err != nil || !b.open[0].Principal.Until.IsZero() {
		t.Errorf("%d sessions ended, %v; %+v", n, err, b.open)
	}
	if b.Allowed(certified, inventory.RightEnter, nil) {
		t.Error("more may be opened")
	}
}
