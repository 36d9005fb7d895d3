package store

import (
	"context"

	"lodge/inventory"
)

type changeRow struct {
	ID          string `gorm:"primaryKey"`
	State       string
	Verb        string
	ContainerID string
	Plan        document[inventory.Plan]
	Request     *string
	Requester   document[inventory.Principal]
	Reason      string
	Ticket      string
	Needs       document[[]inventory.Condition]
	Approvals   document[[]approvalDocument]
	OperationID string
	Note        string
	CreatedNs   int64
	DecidedNs   *int64
}

func (changeRow) TableName() string { return "changes" }

type approvalDocument struct {
	Principal inventory.Principal `json:"principal"`
	Digest    string              `json:"digest"`
	AtNs      int64               `json:"at_ns"`
}

func newChangeRow(c inventory.Change) changeRow {
	var approvals []approvalDocument
	for _, a := range c.Approvals {
		approvals = append(approvals, approvalDocument{a.Principal, a.Digest, nanos(a.At)})
	}
	return changeRow{ID: string(c.ID), State: string(c.State), Verb: c.Plan.Verb,
		ContainerID: string(c.Plan.Container),
		Plan:        doc(c.Plan), Request: rawOrNull(c.Request), Requester: doc(c.Requester), Reason: c.Reason,
		Ticket: c.Ticket, Needs: doc(c.Needs), Approvals: doc(approvals), OperationID: string(c.Operation),
		Note: c.Note, CreatedNs: nanos(c.CreatedAt), DecidedNs: nanosOrNull(c.DecidedAt)}
}

func (r changeRow) change() inventory.Change {
	var approvals []inventory.Approval
	for _, a := range r.Approvals.V {
		approvals = append(approvals, inventory.Approval{Principal: a.Principal, Digest: a.Digest,
			At: instant(a.AtNs)})
	}
	return inventory.Change{ID: inventory.ChangeID(r.ID), State: inventory.ChangeState(r.State),
		Plan:    r.Plan.V,
		Request: rawFrom(r.Request), Requester: r.Requester.V, Reason: r.Reason, Ticket: r.Ticket, Needs: r.Needs.V,
		Approvals: approvals, Operation: inventory.OperationID(r.OperationID), Note: r.Note,
		CreatedAt: instant(r.CreatedNs), DecidedAt: instantOrZero(r.DecidedNs)}
}

// AddChange keeps a plan that waits for others.
func (s *Store) AddChange(ctx context.Context, c inventory.Change) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		row := newChangeRow(c)
		return rowsOf[changeRow](t.db).Create(ctx, &row)
	})
}

// Change returns one; ErrNotFound if there is none.
func (s *Store) Change(ctx context.Context, id inventory.ChangeID) (inventory.Change, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Change{}, err
	}
	rows, err := rowsOf[changeRow](db).Where("id = ?", string(id)).Limit(1).Find(ctx)
	row, err := only(rows, err, "change", string(id))
	return row.change(), explain(s.path, err)
}

// UpdateChange replaces the row if its state is still from; ErrStale otherwise, ErrNotFound if
// there is none.
func (s *Store) UpdateChange(ctx context.Context, from inventory.ChangeState, c inventory.Change) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := rowsOf[changeRow](t.db).Where("id = ? AND state = ?", string(c.ID),
			string(from)).Select("*").Updates(ctx, newChangeRow(c))
		if err != nil || n == 1 {
			return err
		}
		rows, err := rowsOf[changeRow](t.db).Where("id = ?", string(c.ID)).Limit(1).Find(ctx)
		row, err := only(rows, err, "change", string(c.ID))
		if err != nil {
			return err
		}
		return inventory.Errorf(inventory.ErrStale, "change %s is %s meanwhile, not %s; look again",
			c.ID, row.State, from)
	})
}

// A ChangeQuery selects changes; zero fields select everything.
type ChangeQuery struct {
	State     inventory.ChangeState
	Container inventory.ContainerID
	Verb      string
	After     inventory.ChangeID // cursor: only what comes after this one in the list
	Limit     int                // 0: all
}

// Changes returns changes, newest first.
func (s *Store) Changes(ctx context.Context, q ChangeQuery) ([]inventory.Change, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[changeRow](db).Order("id DESC")
	if q.State != "" {
		find = find.Where("state = ?", string(q.State))
	}
	if q.Container != "" {
		find = find.Where("container_id = ?", string(q.Container))
	}
	if q.Verb != "" {
		find = find.Where("verb = ?", q.Verb)
	}
	if q.After != "" {
		find = find.Where("id < ?", string(q.After))
	}
	if q.Limit > 0 {
		find = find.Limit(q.Limit)
	}
	rows, err := find.Find(ctx)
	return nouns(s.path, rows, err, changeRow.change)
}
