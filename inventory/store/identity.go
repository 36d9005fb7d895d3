package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"gorm.io/gorm"

	"lodge/inventory"
)

type accountRow struct {
	Name string `gorm:"primaryKey"`
	ID   string
}

func (accountRow) TableName() string { return "accounts" }

type userRow struct {
	ID         string `gorm:"primaryKey"`
	Name       string
	Note       string
	DisabledNs *int64
	CreatedNs  int64
}

func (userRow) TableName() string { return "users" }

type userUIDRow struct {
	UID    int64 `gorm:"column:uid;primaryKey"`
	UserID string
}

func (userUIDRow) TableName() string { return "user_uids" }

type userKeyRow struct {
	Fingerprint string `gorm:"primaryKey"`
	UserID      string
	Type        string
	Bits        int64
	Comment     string
	Line        string
	CreatedNs   int64
}

func (userKeyRow) TableName() string { return "user_keys" }

type userGroupRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	Note      string
	Members   document[[]inventory.GroupMember]
	CreatedNs int64
}

func (userGroupRow) TableName() string { return "user_groups" }

type roleBindingRow struct {
	ID        string `gorm:"primaryKey"`
	Role      string
	UserID    string
	GroupID   string
	Extent    string
	ExpiresNs *int64
	Reason    string
	CreatedBy string
	CreatedNs int64
}

func (roleBindingRow) TableName() string { return "role_bindings" }

type tokenRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	UserID    string
	Rights    document[[]inventory.Right]
	Extent    string
	Hash      string
	ExpiresNs *int64
	UsedNs    *int64
	RevokedNs *int64
	CreatedBy string
	CreatedNs int64
}

func (tokenRow) TableName() string { return "tokens" }

// directoryCache keeps the directory of one revision of the identity tables.
type directoryCache struct {
	revision atomic.Int64 // grows after each write to them
	kept     atomic.Pointer[keptDirectory]
}

type keptDirectory struct {
	revision  int64
	directory *inventory.Directory
}

// IdentityRevision grows whenever users, groups, bindings or tokens have changed. It begins anew with
// the agent.
func (s *Store) IdentityRevision() int64 { return s.directory.revision.Load() }

// Directory returns who there is and what they hold, as it was last written. It costs a pointer's
// read unless something has changed.
func (s *Store) Directory(ctx context.Context) (*inventory.Directory, error) {
	revision := s.directory.revision.Load()
	if kept := s.directory.kept.Load(); kept != nil && kept.revision == revision {
		return kept.directory, nil
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	var d *inventory.Directory
	err = db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		d, err = readDirectory(ctx, tx)
		return err
	}, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, explain(s.path, err)
	}
	// Whoever wrote meanwhile has raised the revision, or will: then this is not asked for again.
	s.directory.kept.Store(&keptDirectory{revision, d})
	return d, nil
}

func readDirectory(ctx context.Context, db *gorm.DB) (*inventory.Directory, error) {
	users, err := readUsers(ctx, db)
	if err != nil {
		return nil, err
	}
	groups, err := rowsOf[userGroupRow](db).Find(ctx)
	if err != nil {
		return nil, err
	}
	bindings, err := rowsOf[roleBindingRow](db).Order("id").Find(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := rowsOf[tokenRow](db).Find(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]inventory.Group, len(groups))
	for i, g := range groups {
		all[i] = inventory.Group{ID: inventory.GroupID(g.ID), Name: g.Name, Note: g.Note,
			Members: g.Members.V, CreatedAt: instant(g.CreatedNs)}
	}
	held, err := eachOf(bindings, roleBindingRow.binding)
	if err != nil {
		return nil, err
	}
	keys, err := eachOf(tokens, tokenRow.token)
	if err != nil {
		return nil, err
	}
	revoked, err := readRevoked(ctx, db)
	if err != nil {
		return nil, err
	}
	authorities, err := readAuthorities(ctx, db)
	return inventory.NewDirectory(users, all, held, keys).Without(revoked).Trusting(authorities), err
}

func eachOf[R, N any](rows []R, noun func(R) (N, error)) ([]N, error) {
	out := make([]N, len(rows))
	var errs error
	for i, r := range rows {
		n, err := noun(r)
		out[i], errs = n, errors.Join(errs, err)
	}
	return out, errs
}

func readUsers(ctx context.Context, db *gorm.DB) ([]inventory.User, error) {
	rows, err := rowsOf[userRow](db).Order("name").Find(ctx)
	if err != nil {
		return nil, err
	}
	uids, err := rowsOf[userUIDRow](db).Order("uid").Find(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := rowsOf[userKeyRow](db).Order("fingerprint").Find(ctx)
	if err != nil {
		return nil, err
	}
	at, out := map[string]int{}, make([]inventory.User, len(rows))
	for i, r := range rows {
		at[r.ID] = i
		out[i] = inventory.User{ID: inventory.UserID(r.ID), Name: r.Name, Note: r.Note,
			Disabled: instantOrZero(r.DisabledNs), CreatedAt: instant(r.CreatedNs)}
	}
	for _, r := range uids {
		u := &out[at[r.UserID]]
		u.UIDs = append(u.UIDs, uint32(r.UID))
	}
	for _, r := range keys {
		u := &out[at[r.UserID]]
		u.Keys = append(u.Keys, inventory.SSHKey{Fingerprint: r.Fingerprint, Type: r.Type, Bits: int(r.Bits),
			Comment: r.Comment, Line: r.Line, CreatedAt: instant(r.CreatedNs)})
	}
	return out, nil
}

func (r roleBindingRow) binding() (inventory.Binding, error) {
	on, err := inventory.ParseExtent(r.Extent)
	return inventory.Binding{ID: inventory.BindingID(r.ID), Role: inventory.Role(r.Role),
		Subject: inventory.GroupMember{User: inventory.UserID(r.UserID), Group: inventory.GroupID(r.GroupID)},
		On:      on, Expires: instantOrZero(r.ExpiresNs), Reason: r.Reason, CreatedBy: r.CreatedBy,
		CreatedAt: instant(r.CreatedNs)}, err
}

func (r tokenRow) token() (inventory.Token, error) {
	on, err := inventory.ParseExtent(r.Extent)
	return inventory.Token{ID: inventory.TokenID(r.ID), Name: r.Name, User: inventory.UserID(r.UserID),
		Rights: r.Rights.V, On: on, Hash: r.Hash, Expires: instantOrZero(r.ExpiresNs),
		LastUsed: instantOrZero(r.UsedNs), Revoked: instantOrZero(r.RevokedNs), CreatedBy: r.CreatedBy,
		CreatedAt: instant(r.CreatedNs)}, err
}

// EditIdentity writes the edit, unless what comes of it must not be: ErrExists for a name, uid or key
// that is somebody else's, ErrDenied for roles that are kept apart, ErrInvalid for groups in a circle,
// ErrState when nobody would be admin any more or who goes is still needed, ErrNotFound for who is gone. An edit that is written
// already changes nothing.
func (s *Store) EditIdentity(ctx context.Context, e inventory.IdentityEdit) error {
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.editIdentity(ctx, e); err != nil {
			return err
		}
		host, err := t.store.thisHost()
		return cmp.Or(err, t.addEvent(ctx, host, inventory.Event{Type: "identity.updated"}))
	})
	s.directory.revision.Add(1)
	return err
}

// TryIdentity returns the error that EditIdentity would, and changes nothing.
func (s *Store) TryIdentity(ctx context.Context, e inventory.IdentityEdit) error {
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		return cmp.Or(t.editIdentity(ctx, e), errTried)
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// SawToken notes that a token was used. Nothing waits for it to be on disk.
func (s *Store) SawToken(ctx context.Context, t inventory.Token) error {
	err := s.writeLazily(ctx, func(ctx context.Context, tx *transaction) error {
		_, err := rowsOf[tokenRow](tx.db).Where("id = ?", string(t.ID)).Update(ctx, "used_ns", nanos(t.LastUsed))
		return err
	})
	s.directory.revision.Add(1)
	return err
}
