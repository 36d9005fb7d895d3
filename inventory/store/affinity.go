package store

import (
	"context"

	"lodge/inventory"
)

type affinityRow struct {
	App         string `gorm:"primaryKey"`
	Form        string
	Prefer      bool
	Field       string
	FieldValues document[[]string]
	Reason      string
	CreatedNs   int64
}

func (affinityRow) TableName() string { return "affinities" }

func (r affinityRow) affinity() inventory.Affinity {
	return inventory.Affinity{App: r.App, Form: inventory.AffinityForm(r.Form), Prefer: r.Prefer,
		Field: r.Field, Values: r.FieldValues.V, Reason: r.Reason, CreatedAt: instant(r.CreatedNs)}
}

// Affinities returns all rules, sorted by application.
func (s *Store) Affinities(ctx context.Context) ([]inventory.Affinity, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[affinityRow](db).Order("app").Find(ctx)
	return nouns(s.path, rows, err, affinityRow.affinity)
}

// SaveAffinity adds the rule, or replaces that of the same application.
func (s *Store) SaveAffinity(ctx context.Context, a inventory.Affinity) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[affinityRow](t.db, replace("app")).Create(ctx, &affinityRow{App: a.App,
			Form: string(a.Form), Prefer: a.Prefer, Field: a.Field, FieldValues: doc(a.Values),
			Reason: a.Reason, CreatedNs: nanos(a.CreatedAt)})
	})
}

// DeleteAffinity removes an application's rule; a missing one is no error.
func (s *Store) DeleteAffinity(ctx context.Context, app string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[affinityRow](t.db).Where("app = ?", app).Delete(ctx)
		return err
	})
}
