package store

import (
	"context"

	"lodge/inventory"
)

type remoteRow struct {
	Name      string `gorm:"primaryKey"`
	URL       string `gorm:"column:url"`
	Key       string
	CreatedNs int64
}

func (remoteRow) TableName() string { return "image_remotes" }

func (r remoteRow) remote() inventory.Remote {
	return inventory.Remote{Name: r.Name, URL: r.URL, Key: r.Key, CreatedAt: instant(r.CreatedNs)}
}

// SaveRemote inserts the remote, or replaces the one of the same name.
func (s *Store) SaveRemote(ctx context.Context, m inventory.Remote) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[remoteRow](t.db, replace("name")).Create(ctx,
			&remoteRow{m.Name, m.URL, m.Key, nanos(m.CreatedAt)})
	})
}

// Remote finds one by name; ErrNotFound if there is none.
func (s *Store) Remote(ctx context.Context, name string) (inventory.Remote, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Remote{}, err
	}
	rows, err := rowsOf[remoteRow](db).Where("name = ?", name).Limit(1).Find(ctx)
	row, err := only(rows, err, "image remote", name)
	if err != nil {
		return inventory.Remote{}, explain(s.path, err)
	}
	return row.remote(), nil
}

// Remotes returns all, by name.
func (s *Store) Remotes(ctx context.Context) ([]inventory.Remote, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[remoteRow](db).Order("name").Find(ctx)
	return nouns(s.path, rows, err, remoteRow.remote)
}

// DeleteRemote removes it; a missing one is no error.
func (s *Store) DeleteRemote(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[remoteRow](t.db).Where("name = ?", name).Delete(ctx)
		return err
	})
}
