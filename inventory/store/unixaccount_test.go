package store_test

import (
	"context"
	"errors"
	"testing"

	"lodge/inventory"
)

// TestUnixUIDsAreNobodyElses: a uid is one user's for good, whatever becomes of their accounts.
func TestUnixUIDsAreNobodyElses(t *testing.T) {
	b, ctx := open(t), context.Background()
	c := b.made(b.container("web1"))
	for range 2 {
		if uid, err := b.UnixUID(ctx, "u1"); uid != inventory.FirstUnixUID || err != nil {
			t.Errorf("the first has %d, %v", uid, err)
		}
	}
	a := inventory.UnixAccount{Container: c.ID, User: "u1", Name: "ann", UID: inventory.FirstUnixUID, State: inventory.UnixAccountMaking,
		CreatedAt: b.clock(), ChangedAt: b.clock()}
	ok(t, b.SaveUnixAccount(ctx, a))
	a.State = inventory.UnixAccountLocked
	ok(t, b.SaveUnixAccount(ctx, a))
	if all, err := b.UnixAccounts(ctx, c.ID, "u1"); err != nil || len(all) != 1 || all[0].State != a.State || all[0].UID != a.UID || all[0].Name != "ann" {
		t.Errorf("%+v, %v", all, err)
	}
	_, err := b.raw().Exec("DELETE FROM unix_accounts")
	ok(t, err)
	if uid, err := b.UnixUID(ctx, "u2"); uid != inventory.FirstUnixUID+1 || err != nil {
		t.Errorf("the next has %d, %v", uid, err)
	}
	_, err = b.raw().Exec("UPDATE unix_uids SET uid = ? WHERE user_id = 'u2'", inventory.LastUnixUID)
	ok(t, err)
	if uid, err := b.UnixUID(ctx, "u3"); !errors.Is(err, inventory.ErrQuota) {
		t.Errorf("after the last there is %d, %v", uid, err)
	}
	a.User = "u3"
	if err := b.SaveUnixAccount(ctx, a); err == nil {
		t.Error("an account without a uid is kept")
	}
}
