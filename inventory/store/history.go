package store

import (
	"context"
	"time"

	"lodge/inventory"
)

// revisionRow is one entry of a container's history.
type revisionRow struct {
	ContainerID string `gorm:"primaryKey"`
	Revision    int64  `gorm:"primaryKey;autoIncrement:false"`
	AtNs        int64
	Verb        string
	Principal   document[inventory.Principal]
	Reason      string
	Ticket      string
	OperationID string
	Document    document[*containerDocument]
}

func (revisionRow) TableName() string { return "container_revisions" }

func (r revisionRow) revision() inventory.Revision {
	return inventory.Revision{Container: r.Document.V.container(), At: instant(r.AtNs), Verb: r.Verb,
		Principal: r.Principal.V, Reason: r.Reason, Ticket: r.Ticket, Operation: inventory.OperationID(r.OperationID)}
}

func (t *transaction) addRevision(ctx context.Context, c *inventory.Container,
	op inventory.Operation, reason string, at time.Time) error {
	return rowsOf[revisionRow](t.db).Create(ctx, &revisionRow{ContainerID: string(c.ID),
		Revision: c.Revision,
		AtNs:     nanos(at), Verb: op.Verb, Principal: doc(op.Principal), Reason: reason, Ticket: op.Ticket,
		OperationID: string(op.ID), Document: doc(newContainerDocument(c))})
}

// History returns the states a container was desired to be in, newest first; it outlives the
// container. There is no error for one that never was.
func (s *Store) History(ctx context.Context, id inventory.ContainerID) ([]inventory.Revision, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[revisionRow](db).Where("container_id = ?",
		string(id)).Order("revision DESC").Find(ctx)
	return nouns(s.path, rows, err, revisionRow.revision)
}

// Container finds one by name within its project or by id, in the trash too; ErrNotFound if there
// is none.
func (s *Store) Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[containerRow](db).Where("project = ? AND name = ?", projectOf(ref.Project), ref.Name)
	if inventory.IsID(ref.Name) {
		find = rowsOf[containerRow](db).Where("id = ?", ref.Name)
	}
	rows, err := find.Limit(1).Find(ctx)
	row, err := only(rows, err, "container", ref.String())
	if err != nil {
		return nil, explain(s.path, err)
	}
	return row.container(), nil
}

// A ContainerQuery selects containers. Its zero value selects all that are not in the trash.
type ContainerQuery struct {
	Project string // "": every project
	Host    inventory.HostID
	Trashed bool // only the trash
	All     bool // the trash as well
}

// Containers returns containers sorted by project and name.
func (s *Store) Containers(ctx context.Context, q ContainerQuery) ([]*inventory.Container, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[containerRow](db).Order("project, name").
		Equal("project", q.Project).Equal("host_id", string(q.Host))
	switch {
	case q.All:
	case q.Trashed:
		find = find.Where("trashed_ns IS NOT NULL")
	default:
		find = find.Where("trashed_ns IS NULL")
	}
	rows, err := find.Find(ctx)
	return nouns(s.path, rows, err, containerRow.container)
}

// AllContainers returns every container of every host, the trash included.
func (s *Store) AllContainers(ctx context.Context) ([]*inventory.Container, error) {
	return s.Containers(ctx, ContainerQuery{All: true})
}

// ContainersOnHost returns every container of the host, the trash included.
func (s *Store) ContainersOnHost(ctx context.Context,
	host inventory.HostID) ([]*inventory.Container, error) {
	return s.Containers(ctx, ContainerQuery{Host: host, All: true})
}

// IDBases returns the id ranges in use on this host, the trash's included, in ascending order.
func (s *Store) IDBases(ctx context.Context) ([]uint32, error) {
	host, err := s.thisHost()
	if err != nil {
		return nil, err
	}
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[containerRow](db).Select("id_base").Where("host_id = ? AND id_base <> 0",
		string(host)).Order("id_base").Find(ctx)
	return nouns(s.path, rows, err, func(r containerRow) uint32 { return r.IDBase })
}
