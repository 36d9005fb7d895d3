package store

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm/clause"

	"lodge/inventory"
	"lodge/manager/gate"
)

type operationRow struct {
	ID             string `gorm:"primaryKey"`
	HostID         string
	Verb           string
	Subject        string
	Exclusive      bool
	ContainerID    string
	Name           string
	Project        string
	Principal      document[inventory.Principal]
	Reason         string
	Ticket         string
	ChangeID       string
	Key            string
	State          string
	Steps          document[[]string]
	Step           int
	Progress       string
	Percent        int
	Args           *string
	Data           *string
	Before         document[*containerDocument]
	After          document[*containerDocument]
	ReservedBefore document[*reservationDocument]
	Plan           string
	Error          string
	Kind           string
	Result         *string
	CancelAsked    bool
	StartedNs      int64
	UpdatedNs      int64
	EndedNs        *int64
}

func (operationRow) TableName() string { return "operations" }

func newOperationRow(op inventory.Operation) operationRow {
	return operationRow{
		ID: string(op.ID), HostID: string(op.HostID), Verb: op.Verb, Subject: op.Subject,
		ContainerID: string(op.Container), Name: op.Name, Project: op.Project,
		Principal: doc(op.Principal), Reason: op.Reason, Ticket: op.Ticket,
		ChangeID: string(op.Change), Key: op.Key, State: string(op.State), Steps: doc(op.Steps),
		Step: op.Step, Progress: op.Progress, Percent: op.Percent, Args: rawOrNull(op.Args),
		Data: rawOrNull(op.Data), Before: doc(newContainerDocument(op.Before)),
		After: doc(newContainerDocument(op.After)), Plan: op.Plan, Error: op.Error, Kind: op.Kind,
		Result: rawOrNull(op.Result), CancelAsked: op.CancelAsked, StartedNs: nanos(op.StartedAt),
		UpdatedNs: nanos(op.UpdatedAt), EndedNs: nanosOrNull(op.EndedAt),
	}
}

func (r operationRow) operation() inventory.Operation {
	return inventory.Operation{
		ID: inventory.OperationID(r.ID), HostID: inventory.HostID(r.HostID), Verb: r.Verb,
		Subject: r.Subject, Container: inventory.ContainerID(r.ContainerID), Name: r.Name,
		Project: r.Project, Principal: r.Principal.V, Reason: r.Reason, Ticket: r.Ticket,
		Change: inventory.ChangeID(r.ChangeID), Key: r.Key, State: inventory.OperationState(r.State),
		Steps: r.Steps.V, Step: r.Step, Progress: r.Progress, Percent: r.Percent,
		Args: rawFrom(r.Args), Data: rawFrom(r.Data), Before: r.Before.V.container(),
		After: r.After.V.container(), Plan: r.Plan, Error: r.Error, Kind: r.Kind,
		Result: rawFrom(r.Result), CancelAsked: r.CancelAsked, StartedAt: instant(r.StartedNs),
		UpdatedAt: instant(r.UpdatedNs), EndedAt: instantOrZero(r.EndedNs),
	}
}

// operationKeyRow says which operation an idempotency key stands for.
type operationKeyRow struct {
	Principal   string `gorm:"primaryKey"`
	Verb        string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	OperationID string
	AtNs        int64
}

func (operationKeyRow) TableName() string { return "operation_keys" }

type reservationDocument struct {
	CPUs   float64 `json:"cpus"`
	Memory int64   `json:"memory"`
	Disk   int64   `json:"disk"`

	Privileged bool `json:"privileged,omitempty"`
	Nested     bool `json:"nested,omitempty"`
}

func newReservationDocument(r gate.Reservation) *reservationDocument {
	return &reservationDocument{CPUs: r.CPUs, Memory: int64(r.Memory), Disk: int64(r.Disk),
		Privileged: r.Privileged, Nested: r.Nested}
}

func (d *reservationDocument) reservation() gate.Reservation {
	return gate.Reservation{CPUs: d.CPUs, Memory: inventory.Bytes(d.Memory), Disk: inventory.Bytes(d.Disk),
		Privileged: d.Privileged, Nested: d.Nested}
}

func (t *transaction) addOperation(ctx context.Context, op inventory.Operation, exclusive bool,
	replaced *reservationDocument) error {
	row := newOperationRow(op)
	row.Exclusive, row.ReservedBefore = exclusive, doc(replaced)
	if err := rowsOf[operationRow](t.db).Create(ctx, &row); err != nil || op.Key == "" {
		return err
	}
	return rowsOf[operationKeyRow](t.db).Create(ctx, &operationKeyRow{Principal: op.Principal.Name,
		Verb: op.Verb, Key: op.Key, OperationID: row.ID, AtNs: row.StartedNs})
}

// SaveStep records where the operation stands before the step runs. ErrState if it has ended.
func (s *Store) SaveStep(ctx context.Context, id inventory.OperationID,
	state inventory.OperationState, step int, data json.RawMessage) error {
	return s.changeRunning(ctx, id, s.write,
		set("state", string(state)), set("step", step), set("data", rawOrNull(data)), set("updated_ns", nanos(s.now())))
}

// NoteStep is SaveStep without the fsync and without data: a power cut may take it back.
func (s *Store) NoteStep(ctx context.Context, id inventory.OperationID, step int) error {
	return s.changeRunning(ctx, id, s.writeLazily, set("step", step), set("updated_ns", nanos(s.now())))
}

// AskCancel marks a running operation; ErrState if it has ended.
func (s *Store) AskCancel(ctx context.Context, id inventory.OperationID) error {
	return s.changeRunning(ctx, id, s.write, set("cancel_asked", true), set("updated_ns", nanos(s.now())))
}

// SaveProgress is for readers in other processes and after a crash. It costs no fsync: a power cut
// may take it back. ErrState if the operation has ended.
func (s *Store) SaveProgress(ctx context.Context, id inventory.OperationID, percent int,
	text string) error {
	return s.changeRunning(ctx, id, s.writeLazily,
		set("percent", percent), set("progress", text), set("updated_ns", nanos(s.now())))
}

type writing func(context.Context, func(context.Context, *transaction) error) error

func set(column string, value any) clause.Assignment {
	return clause.Assignment{Column: clause.Column{Name: column}, Value: value}
}

func (s *Store) changeRunning(ctx context.Context, id inventory.OperationID, write writing,
	values ...clause.Assignment) error {
	return write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := rowsOf[operationRow](t.db).Where("id = ? AND ended_ns IS NULL",
			string(id)).Set(ctx, values...)
		if err != nil || n == 1 {
			return err
		}
		row, err := t.operationRow(ctx, id)
		if err != nil {
			return err
		}
		return hasEnded(row)
	})
}

func hasEnded(r operationRow) error {
	return inventory.Errorf(inventory.ErrState, "operation %s (%s %s) has ended already: it is %s",
		r.ID, r.Verb, r.Name, r.State)
}

func (t *transaction) operationRow(ctx context.Context, id inventory.OperationID) (operationRow, error) {
	rows, err := rowsOf[operationRow](t.db).Where("id = ?", string(id)).Limit(1).Find(ctx)
	return only(rows, err, "operation", string(id))
}

// only returns the one row of a query by key; ErrNotFound if there is none.
func only[R any](rows []R, err error, what, name string) (R, error) {
	var none R
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, inventory.Errorf(inventory.ErrNotFound, "there is no %s %s", what, name)
	}
	return rows[0], nil
}

// Operation returns one operation; ErrNotFound if there is none.
func (s *Store) Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Operation{}, err
	}
	rows, err := rowsOf[operationRow](db).Where("id = ?", string(id)).Limit(1).Find(ctx)
	row, err := only(rows, err, "operation", string(id))
	return row.operation(), explain(s.path, err)
}

// Unfinished returns the host's operations that have not ended, oldest first.
func (s *Store) Unfinished(ctx context.Context, host inventory.HostID) ([]inventory.Operation, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[operationRow](db).Where("host_id = ? AND ended_ns IS NULL",
		string(host)).Order("started_ns, id").Find(ctx)
	return nouns(s.path, rows, err, operationRow.operation)
}

// Filters of OperationQuery.State beside the states themselves.
const (
	Unfinished = "unfinished"
	Ended      = "ended"
)

// An OperationQuery selects operations; zero fields select everything.
type OperationQuery struct {
	State     string // an inventory.OperationState, Unfinished or Ended
	Container inventory.ContainerID
	Project   string
	Verb      string
	After     inventory.OperationID // cursor: only what comes after this one in the list
	Limit     int                   // 0: all
}

// Operations returns operations, newest first: ids are UUIDv7, which sort by time.
func (s *Store) Operations(ctx context.Context, q OperationQuery) ([]inventory.Operation, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[operationRow](db).Order("id DESC").
		Equal("container_id", string(q.Container)).Equal("project", q.Project).Equal("verb", q.Verb)
	switch q.State {
	case "":
	case Unfinished:
		find = find.Where("ended_ns IS NULL")
	case Ended:
		find = find.Where("ended_ns IS NOT NULL")
	default:
		find = find.Where("state = ?", q.State)
	}
	if q.After != "" {
		find = find.Where("id < ?", string(q.After))
	}
	rows, err := find.Limit(q.Limit).Find(ctx)
	return nouns(s.path, rows, err, operationRow.operation)
}

// PruneOperations removes operations that ended before at and that no change refers to, and says
// how many.
func (s *Store) PruneOperations(ctx context.Context, at time.Time) (int, error) {
	removed := 0
	err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
		removed, err = rowsOf[operationRow](t.db).
			Where("ended_ns < ? AND NOT EXISTS (SELECT 1 FROM changes WHERE operation_id = operations.id)", nanos(at)).
			Delete(ctx)
		return err
	})
	return removed, err
}
