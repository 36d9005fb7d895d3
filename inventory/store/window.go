package store

import (
	"context"

	"lodge/inventory"
)

type windowRow struct {
	Name      string `gorm:"primaryKey"`
	Schedule  string
	FromNs    *int64
	UntilNs   *int64
	Filter    string
	Verbs     document[[]string]
	Freeze    bool
	Reason    string
	CreatedNs int64
}

func (windowRow) TableName() string { return "windows" }

func (r windowRow) window() (inventory.Window, error) {
	w := inventory.Window{Name: r.Name, From: instantOrZero(r.FromNs), Until: instantOrZero(r.UntilNs),
		Verbs: r.Verbs.V, Freeze: r.Freeze, Reason: r.Reason, CreatedAt: instant(r.CreatedNs)}
	var err error
	if w.Schedule, err = inventory.ParseHours(r.Schedule); err != nil {
		return w, err
	}
	return w, w.Select(r.Filter)
}

// Windows returns all windows, sorted by name. One that can't be read any more is an error, never
// left out: it may be what keeps something from happening.
func (s *Store) Windows(ctx context.Context) ([]inventory.Window, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[windowRow](db).Order("name").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	all := make([]inventory.Window, len(rows))
	for i, r := range rows {
		if all[i], err = r.window(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// SaveWindow adds the window, or replaces the one of the same name.
func (s *Store) SaveWindow(ctx context.Context, w inventory.Window) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[windowRow](t.db, replace("name")).Create(ctx, &windowRow{Name: w.Name, Schedule: w.Schedule.String(),
			FromNs: nanosOrNull(w.From), UntilNs: nanosOrNull(w.Until), Filter: w.Filter, Verbs: doc(w.Verbs),
			Freeze: w.Freeze, Reason: w.Reason, CreatedNs: nanos(w.CreatedAt)})
	})
}

// DeleteWindow removes a window; a missing one is no error.
func (s *Store) DeleteWindow(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[windowRow](t.db).Where("name = ?", name).Delete(ctx)
		return err
	})
}
