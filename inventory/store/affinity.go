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

// checkAffinity refuses with ErrDenied what would break a rule that old, the container's row before
// (zero for a new one), does not. The plan has judged it too, but not beside what else was being planned.
func (t *transaction) checkAffinity(ctx context.Context, next *inventory.Container, old containerRow) error {
	if next.Labels[inventory.AppLabel] == "" || next.IsTrashed() {
		return nil
	}
	rules, err := rowsOf[affinityRow](t.db).Where("app = ? AND NOT prefer", next.Labels[inventory.AppLabel]).Find(ctx)
	if err != nil || len(rules) == 0 {
		return err
	}
	rows, err := rowsOf[containerRow](t.db).Find(ctx)
	if err != nil {
		return err
	}
	all := make([]*inventory.Container, len(rows))
	for i, r := range rows {
		all[i] = r.container()
	}
	for _, r := range rules {
		rule := r.affinity()
		violation := rule.Violation(next, all)
		if violation != "" && (old.ID == "" || rule.Violation(old.container(), all) == "") {
			return rule.Refusal(next, violation)
		}
	}
	return nil
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
