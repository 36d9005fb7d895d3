package store

import (
	"context"

	"lodge/inventory"
)

type snapshotRow struct {
	ContainerID string `gorm:"primaryKey"`
	Name        string `gorm:"primaryKey"`
	Note        string
	Running     bool
	Pinned      bool
	Scheduled   bool
	CreatedNs   int64
	ExpiresNs   *int64
	Config      document[*containerDocument]
}

func (snapshotRow) TableName() string { return "snapshots" }

func (r snapshotRow) snapshot() inventory.Snapshot {
	return inventory.Snapshot{Container: inventory.ContainerID(r.ContainerID), Name: r.Name, Note: r.Note,
		Running: r.Running, Pinned: r.Pinned, Scheduled: r.Scheduled, CreatedAt: instant(r.CreatedNs), ExpiresAt: instantOrZero(r.ExpiresNs),
		Config: r.Config.V.container()}
}

// AddSnapshot adds the snapshot. One that was added already, which has the same name and time, is
// left as it is; another one of that name is ErrExists. The rows of a container go with it.
func (s *Store) AddSnapshot(ctx context.Context, n inventory.Snapshot) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[snapshotRow](t.db).Where("container_id = ? AND name = ?",
			string(n.Container), n.Name).Limit(1).Find(ctx)
		switch {
		case err != nil:
			return err
		case len(rows) > 0 && rows[0].CreatedNs == nanos(n.CreatedAt):
			return nil
		case len(rows) > 0:
			return inventory.Errorf(inventory.ErrExists,
				"there is a snapshot %s already; choose another name", n.Name)
		}
		return rowsOf[snapshotRow](t.db).Create(ctx, &snapshotRow{
			ContainerID: string(n.Container), Name: n.Name, Note: n.Note, Running: n.Running, Pinned: n.Pinned,
			Scheduled: n.Scheduled, CreatedNs: nanos(n.CreatedAt), ExpiresNs: nanosOrNull(n.ExpiresAt), Config: doc(newContainerDocument(n.Config))})
	})
}

// Snapshots returns a container's snapshots, oldest first.
func (s *Store) Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[snapshotRow](db).Where("container_id = ?",
		string(id)).Order("created_ns, name").Find(ctx)
	return nouns(s.path, rows, err, snapshotRow.snapshot)
}

// Snapshot returns one; ErrNotFound if there is none.
func (s *Store) Snapshot(ctx context.Context, id inventory.ContainerID,
	name string) (inventory.Snapshot, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	rows, err := rowsOf[snapshotRow](db).Where("container_id = ? AND name = ?", string(id),
		name).Limit(1).Find(ctx)
	row, err := only(rows, err, "snapshot", name)
	return row.snapshot(), explain(s.path, err)
}

// DeleteSnapshot removes the row; a missing one is no error.
func (s *Store) DeleteSnapshot(ctx context.Context, id inventory.ContainerID, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[snapshotRow](t.db).Where("container_id = ? AND name = ?", string(id),
			name).Delete(ctx)
		return err
	})
}
