package store

import (
	"cmp"
	"context"
	"time"

	"gorm.io/gorm"

	"lodge/inventory"
	"lodge/manager/gate"
)

// keyLife is how long an idempotency key stands for the operation it made.
const keyLife = 24 * time.Hour

// Admit makes an operation exist; see gate. The operation it returns has After with its new
// revision. Beyond the gate's list it refuses
//   - with ErrNotFound if Before's container is gone, or After's project is;
//   - with ErrInvalid if the idempotency key was used on another container;
//   - with ErrExists if the name is that of a container being renamed, which may come back;
//   - with ErrDenied if After would be the first to break an affinity that is no wish.
func (s *Store) Admit(ctx context.Context, a gate.Admission) (inventory.Operation, bool, error) {
	var op inventory.Operation
	var again bool
	err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
		op, again, err = t.admit(ctx, a)
		return err
	})
	return op, again && err == nil, err
}

func (t *transaction) admit(ctx context.Context, a gate.Admission) (inventory.Operation, bool, error) {
	op := a.Operation
	if op.Key != "" {
		earlier, again, err := t.repeated(ctx, a)
		if again || err != nil {
			return earlier, again, err
		}
	}
	op.State = cmp.Or(op.State, inventory.OperationRunning)
	if op.StartedAt.IsZero() {
		op.StartedAt = t.store.now()
	}
	op.UpdatedAt, op.Before = op.StartedAt, a.Before
	if err := t.checkIdle(ctx, op.Subject, op.Name, a.Exclusive); err != nil {
		return op, false, err
	}
	row, err := t.expect(ctx, a.Before)
	if err != nil {
		return op, false, err
	}
	var reserved *reservationDocument
	if op.After, reserved, err = t.desire(ctx, a, op, row); err != nil {
		return op, false, err
	}
	if err := t.addOperation(ctx, op, a.Exclusive, reserved); err != nil {
		return op, false, err
	}
	if err := t.runChange(ctx, a.Change, op); err != nil {
		return op, false, err
	}
	return op, false, t.addOperationEvent(ctx, "operation.started", op, op.StartedAt)
}

// repeated returns the operation that an earlier request with the same key made.
func (t *transaction) repeated(ctx context.Context, a gate.Admission) (inventory.Operation, bool, error) {
	op, ok, err := keyed(ctx, t.db, a.Operation.Principal.Name, a.Operation.Verb, a.Operation.Key,
		t.store.now())
	if err != nil || !ok {
		if err == nil { // a key that is too old stands for nothing any more
			_, err = rowsOf[operationKeyRow](t.db).Where("principal = ? AND verb = ? AND key = ?",
				a.Operation.Principal.Name, a.Operation.Verb, a.Operation.Key).Delete(ctx)
		}
		return op, false, err
	}
	if a.Before != nil && op.Container != a.Before.ID {
		return op, false, inventory.Errorf(inventory.ErrInvalid,
			"the idempotency key %q was used for %s; use a new one for %s",
			a.Operation.Key, op.Name, a.Before.Name)
	}
	return op, true, nil
}

// Repeated returns the operation that a principal's idempotency key made in the last 24 hours.
func (s *Store) Repeated(ctx context.Context, principal, verb, key string) (op inventory.Operation,
	ok bool, err error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return op, false, err
	}
	op, ok, err = keyed(ctx, db, principal, verb, key, s.now())
	return op, ok, explain(s.path, err)
}

func keyed(ctx context.Context, db *gorm.DB, principal, verb, key string,
	now time.Time) (op inventory.Operation, ok bool, err error) {
	keys, err := rowsOf[operationKeyRow](db).Where("principal = ? AND verb = ? AND key = ?",
		principal, verb, key).Limit(1).Find(ctx)
	if err != nil || len(keys) == 0 || keys[0].AtNs <= nanos(now.Add(-keyLife)) {
		return op, false, err
	}
	rows, err := rowsOf[operationRow](db).Where("id = ?", keys[0].OperationID).Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return op, false, err
	}
	return rows[0].operation(), true, nil
}

// checkIdle refuses with ErrBusy while an unfinished operation has the subject for itself, or,
// for one that wants it for itself, while there is any.
func (t *transaction) checkIdle(ctx context.Context, subject, name string, exclusive bool) error {
	find := rowsOf[operationRow](t.db).Where("subject = ? AND ended_ns IS NULL", subject)
	if !exclusive {
		find = find.Where("exclusive = 1")
	}
	rows, err := find.Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	return inventory.Errorf(inventory.ErrBusy,
		"%s is busy: %s by %s runs since %s; wait for it or cancel operation %s",
		cmp.Or(name, subject), r.Verb, r.Principal.V.Name, instant(r.StartedNs).Format(time.RFC3339), r.ID)
}

// expect returns the row of before, whose revision has to be as it was seen; nil for a container
// that is yet to be.
func (t *transaction) expect(ctx context.Context, before *inventory.Container) (*containerRow, error) {
	if before == nil {
		return nil, nil
	}
	rows, err := rowsOf[containerRow](t.db).Where("id = ?", string(before.ID)).Limit(1).Find(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s any more",
			before.Ref())
	case rows[0].Revision != before.Revision:
		return nil, inventory.Errorf(inventory.ErrStale,
			"%s changed meanwhile: it is at revision %d, not %d; look again and repeat",
			before.Ref(), rows[0].Revision, before.Revision)
	}
	return &rows[0], nil
}

// desire writes the desired state of an admission. It returns the state as written, and the
// reservation it replaced if it did.
func (t *transaction) desire(ctx context.Context, a gate.Admission, op inventory.Operation,
	row *containerRow) (
	next *inventory.Container, replaced *reservationDocument, err error) {
	if a.After == nil && a.Reserve == nil || a.After == nil && row == nil {
		return nil, nil, nil
	}
	old, changed := containerRow{}, containerRow{}
	if row != nil {
		old, changed = *row, *row
	}
	reserve := old.reservation()
	if a.Reserve != nil {
		reserve, replaced = *a.Reserve, newReservationDocument(old.reservation())
	}
	if a.After == nil {
		changed.reserve(reserve)
	} else {
		next = a.After.Clone()
		next.Revision, next.UpdatedAt = old.Revision+1, op.StartedAt
		next.HostID = cmp.Or(next.HostID, op.HostID)
		if row == nil && next.CreatedAt.IsZero() {
			next.CreatedAt = op.StartedAt
		}
		changed = newContainerRow(next, reserve)
		if err := t.claim(ctx, next, old, changed, op.StartedAt); err != nil {
			return nil, nil, err
		}
	}
	if err := t.checkQuota(ctx, row, changed); err != nil {
		return nil, nil, err
	}
	if err := t.putContainer(ctx, row, changed); err != nil || next == nil {
		return next, replaced, err
	}
	return next, replaced, t.addRevision(ctx, next, op, op.Reason, op.StartedAt)
}

// claim takes the name, the id range and the addresses of next.
func (t *transaction) claim(ctx context.Context, next *inventory.Container, old,
	changed containerRow, at time.Time) error {
	if old.Project != changed.Project {
		if err := t.checkProject(ctx, changed.Project); err != nil {
			return err
		}
	}
	if old.Name != changed.Name || old.Project != changed.Project {
		if err := t.checkName(ctx, changed); err != nil {
			return err
		}
	}
	if changed.IDBase != 0 && old.IDBase != changed.IDBase {
		if err := t.checkIDBase(ctx, changed); err != nil {
			return err
		}
	}
	if err := t.holdVolumes(ctx, next, at); err != nil {
		return err
	}
	if err := t.checkAffinity(ctx, next, old); err != nil {
		return err
	}
	return t.holdAddresses(ctx, next, at)
}

func (t *transaction) checkName(ctx context.Context, c containerRow) error {
	ref := inventory.Ref{Project: c.Project, Name: c.Name}
	rows, err := rowsOf[containerRow](t.db).Where("project = ? AND name = ? AND id <> ?", c.Project,
		c.Name, c.ID).Limit(1).Find(ctx)
	if err != nil {
		return err
	}
	if len(rows) > 0 && rows[0].TrashedNs != nil {
		return inventory.Errorf(inventory.ErrExists,
			"%s exists already, in the trash; purge or rename it, or choose another name", ref)
	}
	if len(rows) > 0 {
		return inventory.Errorf(inventory.ErrExists, "%s exists already; choose another name", ref)
	}
	// A rename that is undone takes its old name back, so that one is not free yet.
	running, err := rowsOf[operationRow](t.db).Where("ended_ns IS NULL AND before IS NOT NULL AND after IS NOT NULL").Find(ctx)
	if err != nil {
		return err
	}
	for _, r := range running {
		if b := r.Before.V; b.Name == c.Name && b.Project == c.Project && b.ID != c.ID {
			return inventory.Errorf(inventory.ErrExists,
				"%s is being renamed; wait for operation %s or choose another name", ref, r.ID)
		}
	}
	return nil
}

func (t *transaction) checkIDBase(ctx context.Context, c containerRow) error {
	rows, err := rowsOf[containerRow](t.db).Where("host_id = ? AND id_base = ? AND id_base <> 0 AND id <> ?", c.HostID, c.IDBase, c.ID).Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	return inventory.Errorf(inventory.ErrExists,
		"%s can't have the id range at %d: %s has it; ask again for another",
		inventory.Ref{Project: c.Project, Name: c.Name}, c.IDBase, rows[0].container().Ref())
}

// putContainer inserts the row, or replaces the one at the revision old was read at.
func (t *transaction) putContainer(ctx context.Context, old *containerRow, row containerRow) error {
	if old == nil {
		return rowsOf[containerRow](t.db).Create(ctx, &row)
	}
	n, err := rowsOf[containerRow](t.db).Where("id = ? AND revision = ?", old.ID,
		old.Revision).Select("*").Updates(ctx, row)
	if err == nil && n == 0 {
		return inventory.Errorf(inventory.ErrStale, "%s changed meanwhile; look again and repeat",
			row.container().Ref())
	}
	return err
}
