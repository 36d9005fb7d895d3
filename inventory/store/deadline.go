package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

type deadlineRow struct {
	ID          string `gorm:"primaryKey"`
	DueNs       int64
	Verb        string
	ContainerID string
	Args        *string
	Principal   document[inventory.Principal]
	Missed      string
	Reason      string
	DoneNs      *int64
	Outcome     string
}

func (deadlineRow) TableName() string { return "deadlines" }

func newDeadlineRow(d inventory.Deadline) deadlineRow {
	return deadlineRow{ID: string(d.ID), DueNs: nanos(d.Due), Verb: d.Verb, ContainerID: string(d.Container),
		Args: rawOrNull(d.Args), Principal: doc(d.Principal), Missed: string(cmp.Or(d.Missed, inventory.MissedRun)),
		Reason: d.Reason, DoneNs: nanosOrNull(d.Done), Outcome: d.Outcome}
}

func (r deadlineRow) deadline() inventory.Deadline {
	return inventory.Deadline{ID: inventory.DeadlineID(r.ID), Due: instant(r.DueNs), Verb: r.Verb,
		Container: inventory.ContainerID(r.ContainerID), Args: rawFrom(r.Args), Principal: r.Principal.V,
		Missed: inventory.MissedRule(r.Missed), Reason: r.Reason, Done: instantOrZero(r.DoneNs), Outcome: r.Outcome}
}

// AddDeadline keeps something for later; an empty ID gets a fresh one.
func (s *Store) AddDeadline(ctx context.Context, d inventory.Deadline) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return t.addDeadline(ctx, d)
	})
}

func (t *transaction) addDeadline(ctx context.Context, d inventory.Deadline) error {
	d.ID = cmp.Or(d.ID, inventory.DeadlineID(inventory.NewID(t.store.now())))
	row := newDeadlineRow(d)
	return rowsOf[deadlineRow](t.db).Create(ctx, &row)
}

// replaceDeadlines adds the deadlines of an ending. Those of the container that wait for a verb it
// supersedes are over.
func (t *transaction) replaceDeadlines(ctx context.Context, id inventory.ContainerID, e gate.Ending) error {
	if len(e.Supersedes) > 0 && id != "" {
		_, err := rowsOf[deadlineRow](t.db).Where("container_id = ? AND verb IN ? AND done_ns IS NULL", string(id), e.Supersedes).
			Set(ctx, set("done_ns", nanos(e.At)), set("outcome", "replaced by operation "+string(e.ID)))
		if err != nil {
			return err
		}
	}
	for _, d := range e.Deadlines {
		if err := t.addDeadline(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// WaitingDeadlines returns the container's deadlines of that verb that still wait, the one due first
// at the top.
func (s *Store) WaitingDeadlines(ctx context.Context, id inventory.ContainerID, verb string) ([]inventory.Deadline, error) {
	return s.Deadlines(ctx, DeadlineQuery{Container: id, Verb: verb, Waiting: true})
}

// AllWaiting returns the deadlines of every container that the principal of that name made and that
// still wait, the one due first at the top.
func (s *Store) AllWaiting(ctx context.Context, principal string) ([]inventory.Deadline, error) {
	all, err := s.Deadlines(ctx, DeadlineQuery{Waiting: true})
	return slices.DeleteFunc(all, func(d inventory.Deadline) bool { return d.Principal.Name != principal }), err
}

// DeadlinesSince returns the container's deadlines of that verb due at since or later, those that are
// over too, the one due first at the top.
func (s *Store) DeadlinesSince(ctx context.Context, id inventory.ContainerID, verb string,
	since time.Time) ([]inventory.Deadline, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[deadlineRow](db).Where("container_id = ? AND verb = ? AND due_ns >= ?",
		string(id), verb, nanos(since)).Order("due_ns, id").Find(ctx)
	return nouns(s.path, rows, err, deadlineRow.deadline)
}

// Due returns waiting deadlines with Due <= at, oldest first, and when the next one after is due
// (zero: none waits).
func (s *Store) Due(ctx context.Context, at time.Time) (due []inventory.Deadline, next time.Time, err error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, next, err
	}
	rows, err := rowsOf[deadlineRow](db).Where("done_ns IS NULL AND due_ns <= ?", nanos(at)).Order("due_ns, id").Find(ctx)
	if due, err = nouns(s.path, rows, err, deadlineRow.deadline); err != nil {
		return nil, next, err
	}
	rows, err = rowsOf[deadlineRow](db).Where("done_ns IS NULL AND due_ns > ?", nanos(at)).Order("due_ns").Limit(1).Find(ctx)
	if len(rows) > 0 {
		next = instant(rows[0].DueNs)
	}
	return due, next, explain(s.path, err)
}

// EndDeadline notes the outcome; ErrStale if it has one already, ErrNotFound if there is none.
func (s *Store) EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := rowsOf[deadlineRow](t.db).Where("id = ? AND done_ns IS NULL", string(id)).
			Set(ctx, set("done_ns", nanos(at)), set("outcome", outcome))
		if err != nil || n == 1 {
			return err
		}
		rows, err := rowsOf[deadlineRow](t.db).Where("id = ?", string(id)).Limit(1).Find(ctx)
		row, err := only(rows, err, "deadline", string(id))
		if err != nil {
			return err
		}
		return inventory.Errorf(inventory.ErrStale, "the deadline %s (%s) is over already: %s", id, row.Verb, row.Outcome)
	})
}

// A DeadlineQuery selects deadlines; zero fields select everything.
type DeadlineQuery struct {
	Container inventory.ContainerID
	Verb      string
	Waiting   bool // only those without an outcome
	Limit     int  // 0: all
}

// Deadlines returns deadlines, the one due first at the top.
func (s *Store) Deadlines(ctx context.Context, q DeadlineQuery) ([]inventory.Deadline, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[deadlineRow](db).Order("due_ns, id").
		Equal("container_id", string(q.Container)).Equal("verb", q.Verb)
	if q.Waiting {
		find = find.Where("done_ns IS NULL")
	}
	rows, err := find.Limit(q.Limit).Find(ctx)
	return nouns(s.path, rows, err, deadlineRow.deadline)
}

// PruneDeadlines removes those that were over before at, and says how many.
func (s *Store) PruneDeadlines(ctx context.Context, at time.Time) (int, error) {
	removed := 0
	err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
		removed, err = rowsOf[deadlineRow](t.db).Where("done_ns < ?", nanos(at)).Delete(ctx)
		return err
	})
	return removed, err
}
