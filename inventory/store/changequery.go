package store

import (
	"context"

	"lodge/inventory"
)

// Change returns one by its id, or by its number on this host; ErrNotFound if there is none.
func (s *Store) Change(ctx context.Context, id inventory.ChangeID) (inventory.Change, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Change{}, err
	}
	find := rowsOf[changeRow](db).Where("id = ?", string(id))
	if number, ok := inventory.ParseChangeNumber(string(id)); ok {
		host, err := s.thisHost()
		if err != nil {
			return inventory.Change{}, err
		}
		find = rowsOf[changeRow](db).Where("host_id = ? AND number = ?", string(host), number)
	}
	rows, err := find.Limit(1).Find(ctx)
	row, err := only(rows, err, "change", string(id))
	return row.change(), explain(s.path, err)
}

// A ChangeQuery selects changes; zero fields select everything.
type ChangeQuery struct {
	States    []inventory.ChangeState
	Class     inventory.ChangeClass
	Container inventory.ContainerID
	Verb      string
	Key       string             // idempotency key of the request
	Reviews   bool               // only those whose review is open
	OrReviews bool               // those too, beside those in States
	After     inventory.ChangeID // cursor: only what comes after this one in the list
	Limit     int                // 0: all
}

// Changes returns changes, newest first.
func (s *Store) Changes(ctx context.Context, q ChangeQuery) ([]inventory.Change, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[changeRow](db).Order("id DESC").
		Equal("class", string(q.Class)).Equal("container_id", string(q.Container)).
		Equal("verb", q.Verb).Equal("key", q.Key)
	switch {
	case q.OrReviews:
		find = find.Where("(state IN ? OR review_ns IS NOT NULL)", q.States)
	case len(q.States) > 0:
		find = find.Where("state IN ?", q.States)
	}
	if q.Reviews {
		find = find.Where("review_ns IS NOT NULL")
	}
	if q.After != "" {
		find = find.Where("id < ?", string(q.After))
	}
	rows, err := find.Limit(q.Limit).Find(ctx)
	return nouns(s.path, rows, err, changeRow.change)
}

// WaitingChanges are those that have been asked for and have not begun, newest first.
func (s *Store) WaitingChanges(ctx context.Context) ([]inventory.Change, error) {
	return s.Changes(ctx, ChangeQuery{States: waitingStates})
}

// OpenReviews are the changes somebody has yet to look at, newest first.
func (s *Store) OpenReviews(ctx context.Context) ([]inventory.Change, error) {
	return s.Changes(ctx, ChangeQuery{Reviews: true})
}

// ChangeOfKey returns the change that a request with this idempotency key was kept as; ok is false
// if there is none.
func (s *Store) ChangeOfKey(ctx context.Context, principal, verb, key string) (c inventory.Change, ok bool, err error) {
	all, err := s.Changes(ctx, ChangeQuery{Verb: verb, Key: key})
	for _, c := range all {
		if c.Requester.Name == principal && s.now().Sub(c.CreatedAt) < keyLife {
			return c, true, err
		}
	}
	return c, false, err
}

var waitingStates = []inventory.ChangeState{inventory.ChangeSubmitted, inventory.ChangeApproved, inventory.ChangeScheduled}
