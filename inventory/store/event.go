package store

import (
	"context"
	"encoding/json"
	"time"

	"lodge/inventory"
)

type eventRow struct {
	HostID      string `gorm:"primaryKey"`
	Seq         int64  `gorm:"primaryKey;autoIncrement:false"`
	AtNs        int64
	Type        string
	ContainerID string
	Name        string
	Project     string
	OperationID string
	Data        *string
}

func (eventRow) TableName() string { return "events" }

func (r eventRow) event() inventory.Event {
	return inventory.Event{Seq: r.Seq, At: instant(r.AtNs), Type: r.Type,
		Container: inventory.ContainerID(r.ContainerID), Name: r.Name, Project: r.Project,
		Operation: inventory.OperationID(r.OperationID), Data: rawFrom(r.Data)}
}

// AppendEvent adds an event of this host under the next number; the one in e is ignored. A zero
// At is now.
func (s *Store) AppendEvent(ctx context.Context, e inventory.Event) error {
	host, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return t.addEvent(ctx, host, e)
	})
}

// NoteEvent is AppendEvent without the fsync, for the events of an operation: its end, which is
// durable and comes after, takes them along.
func (s *Store) NoteEvent(ctx context.Context, e inventory.Event) error {
	host, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.writeLazily(ctx, func(ctx context.Context, t *transaction) error {
		return t.addEvent(ctx, host, e)
	})
}

// addEvent writes the event under the next number of its host. One connection writes, and a
// number is only used up by a commit, so there are neither gaps nor doubles.
func (t *transaction) addEvent(ctx context.Context, host inventory.HostID, e inventory.Event) error {
	seq, ok := t.seq[host]
	if !ok {
		last, err := rowsOf[eventRow](t.db).Where("host_id = ?",
			string(host)).Order("seq DESC").Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(last) > 0 {
			seq = last[0].Seq
		}
	}
	seq++
	t.seq[host] = seq
	if e.At.IsZero() {
		e.At = t.store.now()
	}
	return rowsOf[eventRow](t.db).Create(ctx, &eventRow{HostID: string(host), Seq: seq, AtNs: nanos(e.At),
		Type: e.Type, ContainerID: string(e.Container), Name: e.Name, Project: e.Project,
		OperationID: string(e.Operation), Data: rawOrNull(e.Data)})
}

// operationEvent is the data of operation.started and operation.ended.
type operationEvent struct {
	Verb      string                   `json:"verb"`
	State     inventory.OperationState `json:"state"`
	Subject   string                   `json:"subject"`
	Principal string                   `json:"principal"`
	Error     string                   `json:"error,omitempty"`
	Kind      string                   `json:"kind,omitempty"`
}

func (t *transaction) addOperationEvent(ctx context.Context, kind string, op inventory.Operation,
	at time.Time) error {
	data, err := json.Marshal(operationEvent{op.Verb, op.State, op.Subject, op.Principal.Name,
		op.Error, op.Kind})
	if err != nil {
		return err
	}
	return t.addEvent(ctx, op.HostID, inventory.Event{At: at, Type: kind, Container: op.Container,
		Name: op.Name, Project: op.Project, Operation: op.ID, Data: data})
}

// Events returns up to limit events of this host after the given number, oldest first.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]inventory.Event, error) {
	host, err := s.thisHost()
	if err != nil {
		return nil, err
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[eventRow](db).Where("host_id = ? AND seq > ?", string(host),
		after).Order("seq").Limit(limit).Find(ctx)
	return nouns(s.path, rows, err, eventRow.event)
}

// LastEvent returns the number of this host's newest event, 0 if there was none yet.
func (s *Store) LastEvent(ctx context.Context) (int64, error) {
	return s.edgeEvent(ctx, "seq DESC")
}

// FirstEvent returns the number of the oldest event still kept, 0 if there was none yet: a reader
// who asks for less has missed some.
func (s *Store) FirstEvent(ctx context.Context) (int64, error) {
	return s.edgeEvent(ctx, "seq")
}

func (s *Store) edgeEvent(ctx context.Context, order string) (int64, error) {
	host, err := s.thisHost()
	if err != nil {
		return 0, err
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := rowsOf[eventRow](db).Where("host_id = ?", string(host)).Order(order).Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return 0, explain(s.path, err)
	}
	return rows[0].Seq, nil
}

// pruneBatch is how many events are looked at in one transaction, so that pruning a long history
// keeps nobody waiting.
const pruneBatch = 2000

// PruneEvents removes events older than the given number of days, and says how many. The newest
// stays whatever its age: the next one is numbered after it.
func (s *Store) PruneEvents(ctx context.Context, days int) (int, error) {
	host, err := s.thisHost()
	if err != nil {
		return 0, err
	}
	before, removed := nanos(s.now().AddDate(0, 0, -days)), 0
	for {
		n := 0
		err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
			n, err = rowsOf[eventRow](t.db).Where(`host_id = ? AND at_ns < ?
				AND seq < (SELECT max(seq) FROM events WHERE host_id = ?)
				AND seq < (SELECT min(seq) FROM events WHERE host_id = ?) + ?`,
				string(host), before, string(host), string(host), pruneBatch).Delete(ctx)
			return err
		})
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// Subscribe returns a channel that gets a token after each commit that added events; tokens that
// nobody took are merged into one. It carries no event: read them with Events. stop ends it.
func (s *Store) Subscribe() (poked <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	s.pokes[c] = struct{}{}
	s.mu.Unlock()
	return c, func() {
		s.mu.Lock()
		delete(s.pokes, c)
		s.mu.Unlock()
	}
}

func (s *Store) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.pokes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
