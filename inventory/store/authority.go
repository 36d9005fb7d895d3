package store

import (
	"context"

	"gorm.io/gorm"

	"lodge/inventory"
)

type authorityRow struct {
	ID          string `gorm:"primaryKey"`
	Name        string
	Fingerprint string
	Type        string
	Bits        int64
	Line        string
	Members     document[[]inventory.GroupMember]
	Principals  document[map[string]inventory.UserID]
	Reason      string
	CreatedBy   string
	CreatedNs   int64
}

func (authorityRow) TableName() string { return "ssh_authorities" }

func readAuthorities(ctx context.Context, db *gorm.DB) ([]inventory.Authority, error) {
	rows, err := rowsOf[authorityRow](db).Order("name").Find(ctx)
	out := make([]inventory.Authority, len(rows))
	for i, r := range rows {
		out[i] = inventory.Authority{ID: inventory.AuthorityID(r.ID), Name: r.Name,
			Key: inventory.SSHKey{Fingerprint: r.Fingerprint, Type: r.Type, Bits: int(r.Bits), Line: r.Line},
			For: r.Members.V, Principals: r.Principals.V, Reason: r.Reason, CreatedBy: r.CreatedBy, CreatedAt: instant(r.CreatedNs)}
	}
	return out, err
}

func (t *transaction) saveAuthority(ctx context.Context, before *inventory.Directory, a *inventory.Authority) error {
	if a == nil {
		return nil
	}
	for _, other := range before.Authorities() {
		switch {
		case other.ID == a.ID:
		case other.Name == a.Name:
			return inventory.Errorf(inventory.ErrExists, "there is an authority %s already; remove it, or choose another name", a.Name)
		case other.Key.Fingerprint == a.Key.Fingerprint:
			return inventory.Errorf(inventory.ErrExists, "that key is the authority %s already", other.Name)
		}
	}
	if _, revoked := before.RevokedKey(a.Key.Fingerprint); revoked {
		return keyRevoked(a.Key.Fingerprint)
	}
	return rowsOf[authorityRow](t.db, replace("id")).Create(ctx, &authorityRow{ID: string(a.ID), Name: a.Name,
		Fingerprint: a.Key.Fingerprint, Type: a.Key.Type, Bits: int64(a.Key.Bits), Line: a.Key.Line, Members: doc(a.For),
		Principals: doc(a.Principals), Reason: a.Reason, CreatedBy: a.CreatedBy, CreatedNs: nanos(a.CreatedAt)})
}

func (t *transaction) dropAuthority(ctx context.Context, id inventory.AuthorityID) error {
	if id == "" {
		return nil
	}
	_, err := rowsOf[authorityRow](t.db).Where("id = ?", string(id)).Delete(ctx)
	return err
}
