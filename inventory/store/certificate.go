package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"lodge/inventory"
)

type certificateRow struct {
	Serial      int64 `gorm:"primaryKey;autoIncrement:false"`
	KeyID       string
	UserID      string
	Fingerprint string
	Principals  document[[]string]
	Authority   string
	FromNs      int64
	UntilNs     int64
	RevokedNs   *int64
	RevokedBy   string
	Reason      string
}

func (certificateRow) TableName() string { return "ssh_certificates" }

func (r certificateRow) certificate() inventory.Certificate {
	return inventory.Certificate{Serial: uint64(r.Serial), KeyID: r.KeyID, User: inventory.UserID(r.UserID),
		Fingerprint: r.Fingerprint, Principals: r.Principals.V, Authority: r.Authority, From: instant(r.FromNs),
		Until: instant(r.UntilNs), Revoked: instantOrZero(r.RevokedNs), RevokedBy: r.RevokedBy, Reason: r.Reason}
}

type revokedKeyRow struct {
	Fingerprint string `gorm:"primaryKey"`
	UserID      string
	Reason      string
	RevokedBy   string
	RevokedNs   int64
}

func (revokedKeyRow) TableName() string { return "ssh_revoked_keys" }

// AddCertificate keeps a certificate before anybody has it, and lets those go that were over long before its
// time. ErrDenied for a key that is revoked, ErrQuota for a user who has as many in force as may be.
func (s *Store) AddCertificate(ctx context.Context, c inventory.Certificate, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.mayCertify(ctx, c, now); err != nil {
			return err
		}
		old := nanos(now.Add(-inventory.CertificatesKept))
		if _, err := rowsOf[certificateRow](t.db).Where("until_ns < ?", old).Delete(ctx); err != nil {
			return err
		}
		return rowsOf[certificateRow](t.db).Create(ctx, &certificateRow{Serial: int64(c.Serial), KeyID: c.KeyID,
			UserID: string(c.User), Fingerprint: c.Fingerprint, Principals: doc(c.Principals), Authority: c.Authority,
			FromNs: nanos(c.From), UntilNs: nanos(c.Until)})
	})
}

func (t *transaction) mayCertify(ctx context.Context, c inventory.Certificate, now time.Time) error {
	revoked, err := rowsOf[revokedKeyRow](t.db).Where("fingerprint = ?", c.Fingerprint).Count(ctx, "*")
	if err != nil {
		return err
	}
	if revoked > 0 {
		return keyRevoked(c.Fingerprint)
	}
	had, err := rowsOf[certificateRow](t.db).Where("user_id = ? AND until_ns > ? AND revoked_ns IS NULL",
		string(c.User), nanos(now)).Count(ctx, "*")
	if err == nil && had >= inventory.MostCertificates {
		err = inventory.Errorf(inventory.ErrQuota, "%s has %d certificates in force, which is the most; the first is over in hours",
			c.Principals[0], had)
	}
	return err
}

func keyRevoked(fingerprint string) error {
	return inventory.Errorf(inventory.ErrDenied, "the key %s is revoked, and that is for good; make another with 'ssh-keygen -t ed25519'",
		fingerprint)
}

// Certificates returns those of the query, the first to end first.
func (s *Store) Certificates(ctx context.Context, q inventory.CertificateQuery) ([]inventory.Certificate, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows := rowsOf[certificateRow](db).Equal("key_id", q.KeyID).Equal("user_id", string(q.User)).
		Equal("fingerprint", q.Fingerprint).Order("until_ns, serial")
	if q.Serial != 0 {
		rows = rows.Where("serial = ?", int64(q.Serial))
	}
	if !q.Since.IsZero() {
		rows = rows.Where("until_ns > ?", nanos(q.Since))
	}
	found, err := rows.Find(ctx)
	return nouns(s.path, found, err, certificateRow.certificate)
}

// revokeCertificates marks those that are not yet.
func (t *transaction) revokeCertificates(ctx context.Context, all []inventory.Certificate) error {
	for _, c := range all {
		_, err := rowsOf[certificateRow](t.db).Where("serial = ? AND revoked_ns IS NULL", int64(c.Serial)).
			Select("revoked_ns", "revoked_by", "reason").
			Updates(ctx, certificateRow{RevokedNs: nanosOrNull(c.Revoked), RevokedBy: c.RevokedBy, Reason: c.Reason})
		if err != nil {
			return err
		}
	}
	return nil
}

// revokeKey forbids a key; one that is forbidden stays so as it was.
func (t *transaction) revokeKey(ctx context.Context, k *inventory.RevokedKey) error {
	if k == nil {
		return nil
	}
	had, err := rowsOf[revokedKeyRow](t.db).Where("fingerprint = ?", k.Fingerprint).Count(ctx, "*")
	if err != nil || had > 0 {
		return err
	}
	return rowsOf[revokedKeyRow](t.db).Create(ctx, &revokedKeyRow{Fingerprint: k.Fingerprint, UserID: string(k.User),
		Reason: k.Reason, RevokedBy: k.By, RevokedNs: nanos(k.At)})
}

func readRevoked(ctx context.Context, db *gorm.DB) (out inventory.Revoked, err error) {
	out = inventory.Revoked{Serials: map[uint64]bool{}, Keys: map[string]inventory.RevokedKey{}}
	serials, err := rowsOf[certificateRow](db).Where("revoked_ns IS NOT NULL").Find(ctx)
	if err != nil {
		return out, err
	}
	keys, err := rowsOf[revokedKeyRow](db).Find(ctx)
	if err != nil {
		return out, err
	}
	for _, r := range serials {
		out.Serials[uint64(r.Serial)] = true
	}
	for _, r := range keys {
		out.Keys[r.Fingerprint] = inventory.RevokedKey{Fingerprint: r.Fingerprint, User: inventory.UserID(r.UserID),
			Reason: r.Reason, By: r.RevokedBy, At: instant(r.RevokedNs)}
	}
	return out, nil
}
