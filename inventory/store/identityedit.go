package store

import (
	"context"
	"slices"

	"lodge/inventory"
)

// editIdentity writes the edit and looks at what came of it: whatever else was being written waits,
// so two edits that are each harmless can't be harmful together.
func (t *transaction) editIdentity(ctx context.Context, e inventory.IdentityEdit) error {
	before, err := readDirectory(ctx, t.db)
	if err != nil {
		return err
	}
	for _, write := range []func() error{
		func() error { return t.saveUser(ctx, before, e.User) },
		func() error { return t.saveGroup(ctx, before, e.Group) },
		func() error { return t.saveBinding(ctx, before, e.Binding) },
		func() error { return t.saveToken(ctx, before, e.Token) },
		func() error { return t.revokeCertificates(ctx, e.Revoked) },
		func() error { return t.revokeKey(ctx, e.RevokedKey) },
		func() error { return t.saveAuthority(ctx, before, e.Authority) },
		func() error { return t.dropAuthority(ctx, e.DropAuthority) },
		func() error { return t.dropUser(ctx, before, e.DropUser) },
		func() error { return t.dropGroup(ctx, before, e.DropGroup) },
		func() error { return t.dropBindings(ctx, "id = ?", string(e.DropBinding)) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	after, err := readDirectory(ctx, t.db)
	if err != nil {
		return err
	}
	if err := after.Check(); err != nil {
		return err
	}
	if len(before.Admins()) > 0 && len(after.Admins()) == 0 && after.InUse() {
		return inventory.Errorf(inventory.ErrState, "%s is the last admin; give somebody else the role admin on the host, for good, first",
			before.Admins()[0].Name)
	}
	return nil
}

// nameAccount keeps the name for the id; ErrExists if it is another's.
func (t *transaction) nameAccount(ctx context.Context, before *inventory.Directory, name, id string) error {
	rows, err := rowsOf[accountRow](t.db).Where("name = ? OR id = ?", name, id).Find(ctx)
	switch {
	case err != nil:
		return err
	case len(rows) == 0:
		return rowsOf[accountRow](t.db).Create(ctx, &accountRow{Name: name, ID: id})
	case len(rows) == 1 && rows[0].Name == name && rows[0].ID == id:
		return nil
	}
	what := "user"
	if m, _ := before.Named(name); m.Group != "" {
		what = "group"
	}
	return inventory.Errorf(inventory.ErrExists, "there is a %s %s already; users and groups have different names", what, name)
}

func (t *transaction) saveUser(ctx context.Context, before *inventory.Directory, u *inventory.User) error {
	if u == nil {
		return nil
	}
	if err := t.nameAccount(ctx, before, u.Name, string(u.ID)); err != nil {
		return err
	}
	if err := notAnothers(before, *u); err != nil {
		return err
	}
	if err := rowsOf[userRow](t.db, replace("id")).Create(ctx, &userRow{ID: string(u.ID), Name: u.Name,
		Note: u.Note, DisabledNs: nanosOrNull(u.Disabled), CreatedNs: nanos(u.CreatedAt)}); err != nil {
		return err
	}
	if err := t.dropCredentials(ctx, u.ID); err != nil {
		return err
	}
	for _, uid := range u.UIDs {
		if err := rowsOf[userUIDRow](t.db).Create(ctx, &userUIDRow{UID: int64(uid), UserID: string(u.ID)}); err != nil {
			return err
		}
	}
	for _, k := range u.Keys {
		if err := rowsOf[userKeyRow](t.db).Create(ctx, &userKeyRow{Fingerprint: k.Fingerprint,
			UserID: string(u.ID), Type: k.Type, Bits: int64(k.Bits), Comment: k.Comment, Line: k.Line,
			CreatedNs: nanos(k.CreatedAt)}); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) dropCredentials(ctx context.Context, id inventory.UserID) error {
	if _, err := rowsOf[userUIDRow](t.db).Where("user_id = ?", string(id)).Delete(ctx); err != nil {
		return err
	}
	_, err := rowsOf[userKeyRow](t.db).Where("user_id = ?", string(id)).Delete(ctx)
	return err
}

// notAnothers refuses a uid or key that tells who somebody else is, and a key that tells nobody any more.
func notAnothers(before *inventory.Directory, u inventory.User) error {
	for _, uid := range u.UIDs {
		if other, ok := before.UserOfUID(uid); ok && other.ID != u.ID {
			return inventory.Errorf(inventory.ErrExists, "uid %d is %s; unlink it from them first", uid, other.Name)
		}
	}
	for _, k := range u.Keys {
		if other, ok := before.UserOfKey(k.Fingerprint); ok && other.ID != u.ID {
			return inventory.Errorf(inventory.ErrExists, "the key %s is %s's; one key tells one user", k.Fingerprint, other.Name)
		}
		if _, revoked := before.RevokedKey(k.Fingerprint); revoked {
			return keyRevoked(k.Fingerprint)
		}
	}
	return nil
}

func (t *transaction) saveGroup(ctx context.Context, before *inventory.Directory, g *inventory.Group) error {
	if g == nil {
		return nil
	}
	if err := t.nameAccount(ctx, before, g.Name, string(g.ID)); err != nil {
		return err
	}
	return rowsOf[userGroupRow](t.db, replace("id")).Create(ctx, &userGroupRow{ID: string(g.ID), Name: g.Name,
		Note: g.Note, Members: doc(g.Members), CreatedNs: nanos(g.CreatedAt)})
}

func (t *transaction) saveBinding(ctx context.Context, before *inventory.Directory, b *inventory.Binding) error {
	if b == nil {
		return nil
	}
	if before.Name(b.Subject) == string(b.Subject.User)+string(b.Subject.Group) {
		return inventory.Errorf(inventory.ErrNotFound, "who the role %s was for is gone", b.Role)
	}
	return rowsOf[roleBindingRow](t.db, replace("id")).Create(ctx, &roleBindingRow{ID: string(b.ID),
		Role: string(b.Role), UserID: string(b.Subject.User), GroupID: string(b.Subject.Group),
		Extent: b.On.String(), ExpiresNs: nanosOrNull(b.Expires), Reason: b.Reason,
		CreatedBy: b.CreatedBy, CreatedNs: nanos(b.CreatedAt)})
}

func (t *transaction) saveToken(ctx context.Context, before *inventory.Directory, k *inventory.Token) error {
	if k == nil {
		return nil
	}
	for _, other := range before.Tokens() {
		if other.User == k.User && other.Name == k.Name && other.ID != k.ID && other.Revoked.IsZero() {
			return inventory.Errorf(inventory.ErrExists, "there is a token %s already; revoke it, or choose another name", k.Name)
		}
	}
	return rowsOf[tokenRow](t.db, replace("id")).Create(ctx, &tokenRow{ID: string(k.ID), Name: k.Name,
		UserID: string(k.User), Rights: doc(k.Rights), Extent: k.On.String(), Hash: k.Hash,
		ExpiresNs: nanosOrNull(k.Expires), UsedNs: nanosOrNull(k.LastUsed), RevokedNs: nanosOrNull(k.Revoked),
		CreatedBy: k.CreatedBy, CreatedNs: nanos(k.CreatedAt)})
}

// dropUser removes a user who owns nothing; ErrState names what they do.
func (t *transaction) dropUser(ctx context.Context, before *inventory.Directory, id inventory.UserID) error {
	u, ok := before.User(id)
	if !ok {
		return nil
	}
	if err := t.checkOwnsNothing(ctx, u.Name); err != nil {
		return err
	}
	if err := t.dropCredentials(ctx, id); err != nil {
		return err
	}
	if _, err := rowsOf[tokenRow](t.db).Where("user_id = ?", string(id)).Delete(ctx); err != nil {
		return err
	}
	if err := t.leaveGroups(ctx, before, inventory.GroupMember{User: id}); err != nil {
		return err
	}
	if err := t.dropBindings(ctx, "user_id = ?", string(id)); err != nil {
		return err
	}
	if _, err := rowsOf[userRow](t.db).Where("id = ?", string(id)).Delete(ctx); err != nil {
		return err
	}
	return t.dropAccount(ctx, string(id))
}

func (t *transaction) dropGroup(ctx context.Context, before *inventory.Directory, id inventory.GroupID) error {
	g, ok := before.Group(id)
	if !ok {
		return nil
	}
	if err := t.checkOwnsNothing(ctx, g.Name); err != nil {
		return err
	}
	if err := t.leaveGroups(ctx, before, inventory.GroupMember{Group: id}); err != nil {
		return err
	}
	if err := t.dropBindings(ctx, "group_id = ?", string(id)); err != nil {
		return err
	}
	if _, err := rowsOf[userGroupRow](t.db).Where("id = ?", string(id)).Delete(ctx); err != nil {
		return err
	}
	return t.dropAccount(ctx, string(id))
}

func (t *transaction) dropAccount(ctx context.Context, id string) error {
	_, err := rowsOf[accountRow](t.db).Where("id = ?", id).Delete(ctx)
	return err
}

func (t *transaction) dropBindings(ctx context.Context, where, value string) error {
	if value == "" {
		return nil
	}
	_, err := rowsOf[roleBindingRow](t.db).Where(where, value).Delete(ctx)
	return err
}

func (t *transaction) leaveGroups(ctx context.Context, before *inventory.Directory, m inventory.GroupMember) error {
	for _, g := range before.Groups() {
		if !slices.Contains(g.Members, m) {
			continue
		}
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(x inventory.GroupMember) bool { return x == m })
		if err := t.saveGroup(ctx, before, &g); err != nil {
			return err
		}
	}
	return nil
}

// checkOwnsNothing refuses to let a name go that containers, those in the trash too, have as owner:
// the next of that name would own them.
func (t *transaction) checkOwnsNothing(ctx context.Context, name string) error {
	rows, err := rowsOf[containerRow](t.db).Where("owner = ?", name).Order("name").Find(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	return inventory.Errorf(inventory.ErrState, "%s owns %d containers, %s among them; give them to others first with 'lodge owner'",
		name, len(rows), rows[0].container().Ref())
}
