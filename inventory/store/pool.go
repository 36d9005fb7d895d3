package store

import (
	"context"

	"lodge/inventory"
)

type poolRow struct {
	HostID      string `gorm:"primaryKey"`
	Name        string `gorm:"primaryKey"`
	Driver      string
	Source      string
	SizeBytes   int64
	IsDefault   bool
	ScrubbedNs  *int64
	ScrubErrors int64
	CreatedNs   int64
}

func (poolRow) TableName() string { return "pools" }

func (r poolRow) pool() inventory.Pool {
	return inventory.Pool{Name: r.Name, HostID: inventory.HostID(r.HostID), Driver: r.Driver,
		Source: r.Source, Size: inventory.Bytes(r.SizeBytes), Default: r.IsDefault,
		CreatedAt: instant(r.CreatedNs), ScrubbedAt: instantOrZero(r.ScrubbedNs), ScrubErrors: r.ScrubErrors}
}

// AddPool adds a pool of this host; ErrExists if there is one of that name. It becomes the default
// one only if the host has no other.
func (s *Store) AddPool(ctx context.Context, p inventory.Pool) error {
	host, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[poolRow](t.db).Where("host_id = ?", string(host)).Find(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Name == p.Name {
				return inventory.Errorf(inventory.ErrExists, "there is a pool %s already", p.Name)
			}
		}
		return rowsOf[poolRow](t.db).Create(ctx, &poolRow{HostID: string(host), Name: p.Name,
			Driver: p.Driver, Source: p.Source, SizeBytes: int64(p.Size), IsDefault: len(rows) == 0,
			ScrubbedNs: nanosOrNull(p.ScrubbedAt), ScrubErrors: p.ScrubErrors, CreatedNs: nanos(p.CreatedAt)})
	})
}

// Pool returns one of this host's by name; ErrNotFound if there is none.
func (s *Store) Pool(ctx context.Context, name string) (inventory.Pool, error) {
	host, err := s.thisHost()
	if err != nil {
		return inventory.Pool{}, err
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Pool{}, err
	}
	rows, err := rowsOf[poolRow](db).Where("host_id = ? AND name = ?", string(host), name).Limit(1).Find(ctx)
	row, err := only(rows, err, "pool", name)
	return row.pool(), explain(s.path, err)
}

// Pools returns this host's, sorted by name.
func (s *Store) Pools(ctx context.Context) ([]inventory.Pool, error) {
	host, err := s.thisHost()
	if err != nil {
		return nil, err
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[poolRow](db).Where("host_id = ?", string(host)).Order("name").Find(ctx)
	return nouns(s.path, rows, err, poolRow.pool)
}

// SetDefaultPool makes one pool of this host the default; ErrNotFound if there is none of that name.
func (s *Store) SetDefaultPool(ctx context.Context, name string) error {
	return s.changePool(ctx, name, func(ctx context.Context, t *transaction, host string) (int, error) {
		_, err := rowsOf[poolRow](t.db).Where("host_id = ? AND name <> ?", host, name).
			Set(ctx, set("is_default", false))
		if err != nil {
			return 0, err
		}
		return rowsOf[poolRow](t.db).Where("host_id = ? AND name = ?", host, name).
			Set(ctx, set("is_default", true))
	})
}

// SavePoolScrub notes when a pool was scrubbed last and what that found; ErrNotFound if there is no
// pool of that name.
func (s *Store) SavePoolScrub(ctx context.Context, p inventory.Pool) error {
	return s.changePool(ctx, p.Name, func(ctx context.Context, t *transaction, host string) (int, error) {
		return rowsOf[poolRow](t.db).Where("host_id = ? AND name = ?", host, p.Name).
			Set(ctx, set("scrubbed_ns", nanosOrNull(p.ScrubbedAt)), set("scrub_errors", p.ScrubErrors))
	})
}

// changePool runs a change of one row in a transaction and insists that there was one.
func (s *Store) changePool(ctx context.Context, name string,
	change func(context.Context, *transaction, string) (int, error)) error {
	host, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := change(ctx, t, string(host))
		if err == nil && n == 0 {
			err = inventory.Errorf(inventory.ErrNotFound, "there is no pool %s", name)
		}
		return err
	})
}

// DeletePool removes a pool's row; ErrState while a container, the trash included, or a volume is on
// it. A missing one is no error.
func (s *Store) DeletePool(ctx context.Context, name string) error {
	host, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		users, err := rowsOf[containerRow](t.db).Where("host_id = ? AND pool = ?", string(host), name).
			Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return inventory.Errorf(inventory.ErrState, "pool %s is in use: %s is on it; move or purge it first",
				name, inventory.Ref{Project: users[0].Project, Name: users[0].Name})
		}
		volumes, err := rowsOf[volumeRow](t.db).Where("host_id = ? AND pool = ?", string(host), name).Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(volumes) > 0 {
			return inventory.Errorf(inventory.ErrState, "pool %s is in use: volume %s is on it; delete it first",
				name, volumes[0].volume().Ref())
		}
		_, err = rowsOf[poolRow](t.db).Where("host_id = ? AND name = ?", string(host), name).Delete(ctx)
		return err
	})
}
