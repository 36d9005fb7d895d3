package store

import (
	"context"

	"lodge/inventory"
)

type policyVersionRow struct {
	Version     int64 `gorm:"primaryKey;autoIncrement:false"`
	Text        string
	Policies    int
	SHA256      string `gorm:"column:sha256"`
	OperationID string
	ChangeID    string
	Principal   string
	Reason      string
	Ticket      string
	CreatedNs   int64
}

func (policyVersionRow) TableName() string { return "policy_versions" }

func (r policyVersionRow) version() inventory.PolicyVersion {
	return inventory.PolicyVersion{Version: r.Version, Text: r.Text, Policies: r.Policies, SHA256: r.SHA256,
		Operation: inventory.OperationID(r.OperationID), Change: inventory.ChangeID(r.ChangeID), By: r.Principal,
		Reason: r.Reason, Ticket: r.Ticket, CreatedAt: instant(r.CreatedNs)}
}

// PolicyVersion returns one version of the site's policies, or, for 0, the newest, which is a zero one
// if there is none. ErrNotFound if there is no such version.
func (s *Store) PolicyVersion(ctx context.Context, version int64) (inventory.PolicyVersion, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.PolicyVersion{}, err
	}
	rows, err := rowsOf[policyVersionRow](db).Where("version = ? OR ? = 0", version, version).Order("version DESC").Limit(1).Find(ctx)
	switch {
	case err != nil:
		return inventory.PolicyVersion{}, explain(s.path, err)
	case len(rows) == 0 && version == 0:
		return inventory.PolicyVersion{}, nil
	case len(rows) == 0:
		return inventory.PolicyVersion{}, inventory.Errorf(inventory.ErrNotFound,
			"there is no version %d of the site's policies; 'lodge policy history' lists them", version)
	}
	return rows[0].version(), nil
}

// PolicyVersions returns all versions, the newest first, without their texts.
func (s *Store) PolicyVersions(ctx context.Context) ([]inventory.PolicyVersion, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[policyVersionRow](db).Select("version, '' AS text, policies, sha256, operation_id, change_id, principal, reason, ticket, created_ns").
		Order("version DESC").Find(ctx)
	return nouns(s.path, rows, err, policyVersionRow.version)
}

// AddPolicyVersion makes the next version after base; ErrStale if base is not the newest. An
// operation adds one version, however often it is asked to.
func (s *Store) AddPolicyVersion(ctx context.Context, base int64, v inventory.PolicyVersion) (added inventory.PolicyVersion, err error) {
	err = s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[policyVersionRow](t.db).Where("operation_id = ?", string(v.Operation)).Find(ctx)
		if err != nil || len(rows) > 0 {
			for _, r := range rows {
				added = r.version()
			}
			return err
		}
		newest, err := rowsOf[policyVersionRow](t.db).Order("version DESC").Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(newest) > 0 && newest[0].Version != base || len(newest) == 0 && base != 0 {
			return inventory.Errorf(inventory.ErrStale, "the site's policies changed meanwhile; look again and repeat")
		}
		row := policyVersionRow{Version: base + 1, Text: v.Text, Policies: v.Policies, SHA256: v.SHA256,
			OperationID: string(v.Operation), ChangeID: string(v.Change), Principal: v.By, Reason: v.Reason,
			Ticket: v.Ticket, CreatedNs: nanos(v.CreatedAt)}
		added = row.version()
		return rowsOf[policyVersionRow](t.db).Create(ctx, &row)
	})
	return added, err
}

type expectationRow struct {
	ID        int64 `gorm:"primaryKey"`
	AsWhom    string
	Verb      string
	Target    string
	Want      string
	Note      string
	CreatedBy string
	CreatedNs int64
}

func (expectationRow) TableName() string { return "policy_expectations" }

func (r expectationRow) expectation() inventory.Expectation {
	return inventory.Expectation{ID: r.ID, As: r.AsWhom, Verb: r.Verb, On: r.Target, Want: r.Want, Note: r.Note,
		By: r.CreatedBy, CreatedAt: instant(r.CreatedNs)}
}

// Expectations returns all, the oldest first.
func (s *Store) Expectations(ctx context.Context) ([]inventory.Expectation, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[expectationRow](db).Order("id").Find(ctx)
	return nouns(s.path, rows, err, expectationRow.expectation)
}

// PutExpectation adds one, or replaces the one that asks the same.
func (s *Store) PutExpectation(ctx context.Context, e inventory.Expectation) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[expectationRow](t.db, replace("as_whom", "verb", "target")).Create(ctx, &expectationRow{AsWhom: e.As,
			Verb: e.Verb, Target: e.On, Want: e.Want, Note: e.Note, CreatedBy: e.By, CreatedNs: nanos(e.CreatedAt)})
	})
}

// DropExpectation removes one; a missing one is no error.
func (s *Store) DropExpectation(ctx context.Context, id int64) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[expectationRow](t.db).Where("id = ?", id).Delete(ctx)
		return err
	})
}
