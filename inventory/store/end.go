package store

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// End records how an operation ended; see gate.Ending. ErrState if it has ended already.
func (s *Store) End(ctx context.Context, e gate.Ending) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		row, err := t.operationRow(ctx, e.ID)
		if err != nil {
			return err
		}
		if row.EndedNs != nil {
			return hasEnded(row)
		}
		if e.At.IsZero() {
			e.At = s.now()
		}
		if err := t.conclude(ctx, row, e); err != nil {
			return err
		}
		return t.endOperation(ctx, row, e)
	})
}

// endOperation writes the end. Parameters that nothing needs any more, and that are nobody's business,
// go: no step runs again.
func (t *transaction) endOperation(ctx context.Context, row operationRow, e gate.Ending) error {
	args := inventory.WithoutUserData(rawFrom(row.Args))
	n, err := rowsOf[operationRow](t.db).Where("id = ? AND ended_ns IS NULL", row.ID).Set(ctx,
		set("state", string(e.State)), set("error", e.Error), set("kind", e.Kind), set("result", rawOrNull(e.Result)),
		set("args", rawOrNull(args)),
		set("updated_ns", nanos(e.At)), set("ended_ns", nanos(e.At)))
	if err != nil {
		return err
	}
	if n == 0 {
		return hasEnded(row)
	}
	op := row.operation()
	op.State, op.Error, op.Kind = e.State, e.Error, e.Kind
	if err := t.endChange(ctx, op, e.Undone); err != nil {
		return err
	}
	return t.addOperationEvent(ctx, "operation.ended", op, e.At)
}

// conclude makes the desired state what it has to be after the operation.
func (t *transaction) conclude(ctx context.Context, row operationRow, e gate.Ending) error {
	op := row.operation()
	switch {
	case e.Restore && op.After == nil && row.ReservedBefore.V == nil:
		return nil // it had changed nothing
	case e.Restore && op.Before == nil:
		return t.removeContainer(ctx, op.After.ID, e)
	case e.Restore:
		return t.restore(ctx, row, op, e)
	case e.Remove:
		return t.removeContainer(ctx, op.Container, e)
	}
	if op.After != nil {
		if err := t.settle(ctx, op.After, e.At); err != nil {
			return err
		}
	}
	return t.replaceDeadlines(ctx, op.Container, e)
}

// settle ends the claims of c on what it no longer has.
func (t *transaction) settle(ctx context.Context, c *inventory.Container, at time.Time) error {
	if err := t.settleVolumes(ctx, c, at); err != nil {
		return err
	}
	return t.settleAddresses(ctx, c, at)
}

// restore makes the state before the operation the desired one again, as a new revision: nobody
// who saw the one in between may take it for the present.
func (t *transaction) restore(ctx context.Context, row operationRow, op inventory.Operation, e gate.Ending) error {
	rows, err := rowsOf[containerRow](t.db).Where("id = ?", string(op.Before.ID)).Limit(1).Find(ctx)
	now, err := only(rows, err, "container", op.Name)
	if err != nil {
		return err
	}
	reserve := now.reservation()
	if row.ReservedBefore.V != nil {
		reserve = row.ReservedBefore.V.reservation()
	}
	back := now.container()
	if op.After != nil {
		back = op.Before.Clone()
		back.Revision, back.UpdatedAt = now.Revision+1, e.At
	}
	if err := t.putContainer(ctx, &now, newContainerRow(back, reserve)); err != nil || op.After == nil {
		return err
	}
	if err := t.holdAddresses(ctx, back, e.At); err != nil {
		return err
	}
	if err := t.settle(ctx, back, e.At); err != nil {
		return err
	}
	return t.addRevision(ctx, back, op, "undone: "+e.Error, e.At)
}

// removeContainer takes the row away and with it the claim on its name, id range and addresses.
// What is still due on the container is let go, except what is due already: its runner may be the
// one who asked for this.
func (t *transaction) removeContainer(ctx context.Context, id inventory.ContainerID, e gate.Ending) error {
	if id == "" {
		return nil
	}
	if err := t.releaseAddresses(ctx, id, e.At); err != nil {
		return err
	}
	if err := t.releaseVolumes(ctx, id, e.At); err != nil {
		return err
	}
	_, err := rowsOf[deadlineRow](t.db).Where("container_id = ? AND done_ns IS NULL AND due_ns > ?", string(id), nanos(e.At)).
		Set(ctx, set("done_ns", nanos(e.At)), set("outcome", "skipped: the container is gone"))
	if err != nil {
		return err
	}
	if err := t.forgetRules(ctx, id); err != nil {
		return err
	}
	_, err = rowsOf[containerRow](t.db).Where("id = ?", string(id)).Delete(ctx)
	return err
}
