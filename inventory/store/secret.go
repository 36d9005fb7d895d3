package store

import (
	"context"
	"slices"

	"lodge/inventory"
)

type secretRow struct {
	Name      string `gorm:"primaryKey"`
	Note      string
	Sealed    string
	Uses      document[[]inventory.SecretUse]
	Revision  int64
	UpdatedBy string
	CreatedNs int64
	UpdatedNs int64
}

func (secretRow) TableName() string { return "secrets" }

func (r secretRow) secret() inventory.Secret {
	return inventory.Secret{Name: r.Name, Note: r.Note, Sealed: r.Sealed, Uses: r.Uses.V, Revision: r.Revision,
		UpdatedBy: r.UpdatedBy, CreatedAt: instant(r.CreatedNs), UpdatedAt: instant(r.UpdatedNs)}
}

// Secrets returns all, sealed, by name.
func (s *Store) Secrets(ctx context.Context) ([]inventory.Secret, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[secretRow](db).Order("name").Find(ctx)
	return nouns(s.path, rows, err, secretRow.secret)
}

// SaveSecret adds a secret, or replaces the one of its name.
func (s *Store) SaveSecret(ctx context.Context, x inventory.Secret) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		err := rowsOf[secretRow](t.db, replace("name")).Create(ctx, &secretRow{Name: x.Name, Note: x.Note,
			Sealed: x.Sealed, Uses: doc(x.Uses), Revision: x.Revision, UpdatedBy: x.UpdatedBy,
			CreatedNs: nanos(x.CreatedAt), UpdatedNs: nanos(x.UpdatedAt)})
		if err != nil {
			return err
		}
		return t.addSecretEvent(ctx, x.Name)
	})
}

// DeleteSecret removes a secret; a missing one is no error.
func (s *Store) DeleteSecret(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if _, err := rowsOf[secretRow](t.db).Where("name = ?", name).Delete(ctx); err != nil {
			return err
		}
		return t.addSecretEvent(ctx, name)
	})
}

// ResealSecret puts the same value in another seal, unless it has got another value meanwhile.
func (s *Store) ResealSecret(ctx context.Context, name, from, to string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := rowsOf[secretRow](t.db).Where("name = ? AND sealed = ?", name, from).Update(ctx, "sealed", to)
		if err != nil || n == 0 {
			return err
		}
		return t.addSecretEvent(ctx, name)
	})
}

// UsedSecret notes who has read a secret. Nothing waits for it to be on disk.
func (s *Store) UsedSecret(ctx context.Context, name string, use inventory.SecretUse) error {
	return s.writeLazily(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[secretRow](t.db).Where("name = ?", name).Limit(1).Find(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		uses := slices.DeleteFunc(rows[0].Uses.V, func(u inventory.SecretUse) bool { return u.By == use.By })
		_, err = rowsOf[secretRow](t.db).Where("name = ?", name).Update(ctx, "uses", doc(append(uses, use)))
		return err
	})
}

func (t *transaction) addSecretEvent(ctx context.Context, name string) error {
	host, err := t.store.thisHost()
	if err != nil {
		return err
	}
	return t.addEvent(ctx, host, inventory.Event{Type: "secret.updated", Name: name})
}
