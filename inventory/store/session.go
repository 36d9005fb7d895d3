package store

import (
	"context"

	"lodge/inventory"
)

type sessionRow struct {
	ID          string `gorm:"primaryKey"`
	Kind        string
	ContainerID string
	Name        string
	Project     string
	Principal   document[inventory.Principal]
	Command     string
	TTY         bool `gorm:"column:tty"`
	HolderPID   int  `gorm:"column:holder_pid"`
	StartedNs   int64
	EndedNs     *int64
	ExitCode    int
	Result      string
}

func (sessionRow) TableName() string { return "sessions" }

func newSessionRow(s inventory.Session) sessionRow {
	return sessionRow{ID: string(s.ID), Kind: string(s.Kind), ContainerID: string(s.Container),
		Name:    s.Name,
		Project: s.Project, Principal: doc(s.Principal), Command: s.Command, TTY: s.TTY, HolderPID: s.HolderPID,
		StartedNs: nanos(s.StartedAt), EndedNs: nanosOrNull(s.EndedAt), ExitCode: s.ExitCode, Result: s.Result}
}

func (r sessionRow) session() inventory.Session {
	return inventory.Session{ID: inventory.SessionID(r.ID), Kind: inventory.SessionKind(r.Kind),
		Container: inventory.ContainerID(r.ContainerID), Name: r.Name, Project: r.Project, Principal: r.Principal.V,
		Command: r.Command, TTY: r.TTY, HolderPID: r.HolderPID, StartedAt: instant(r.StartedNs),
		EndedAt: instantOrZero(r.EndedNs), ExitCode: r.ExitCode, Result: r.Result}
}

// SaveSession writes the row of n.ID, new or replaced as a whole.
func (s *Store) SaveSession(ctx context.Context, n inventory.Session) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		row := newSessionRow(n)
		return rowsOf[sessionRow](t.db, replace("id")).Create(ctx, &row)
	})
}

// Sessions returns sessions, the latest begun first.
func (s *Store) Sessions(ctx context.Context, q inventory.SessionQuery) ([]inventory.Session, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[sessionRow](db).Order("started_ns DESC, id DESC").
		Equal("id", string(q.ID)).Equal("container_id", string(q.Container))
	if q.Live {
		find = find.Where("ended_ns IS NULL")
	}
	rows, err := find.Limit(q.Limit).Find(ctx)
	return nouns(s.path, rows, err, sessionRow.session)
}
