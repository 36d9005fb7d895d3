package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"gorm.io/gorm"

	"lodge/inventory"
)

type volumeRow struct {
	ID        string `gorm:"primaryKey"`
	HostID    string
	Name      string
	Project   string
	Pool      string
	Owner     string
	Purpose   string
	SizeBytes int64
	Backup    bool
	Shared    bool
	Revision  int64
	CreatedNs int64
	UpdatedNs int64
}

func (volumeRow) TableName() string { return "volumes" }

func newVolumeRow(v inventory.Volume) volumeRow {
	return volumeRow{ID: string(v.ID), HostID: string(v.HostID), Name: v.Name, Project: projectOf(v.Project), Pool: v.Pool,
		Owner: v.Owner, Purpose: v.Purpose, SizeBytes: int64(v.Size), Backup: v.Backup, Shared: v.Shared,
		Revision: v.Revision, CreatedNs: nanos(v.CreatedAt), UpdatedNs: nanos(v.UpdatedAt)}
}

func (r volumeRow) volume() inventory.Volume {
	return inventory.Volume{ID: inventory.VolumeID(r.ID), HostID: inventory.HostID(r.HostID), Name: r.Name,
		Project: r.Project, Pool: r.Pool, Owner: r.Owner, Purpose: r.Purpose, Size: inventory.Bytes(r.SizeBytes),
		Backup: r.Backup, Shared: r.Shared, Revision: r.Revision, CreatedAt: instant(r.CreatedNs),
		UpdatedAt: instant(r.UpdatedNs)}
}

// Volume finds one by name within its project or by id; ErrNotFound if there is none.
func (s *Store) Volume(ctx context.Context, ref inventory.Ref) (inventory.Volume, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Volume{}, err
	}
	row, err := findVolume(ctx, db, ref)
	return row.volume(), explain(s.path, err)
}

func findVolume(ctx context.Context, db *gorm.DB, ref inventory.Ref) (volumeRow, error) {
	find := rowsOf[volumeRow](db).Where("project = ? AND name = ?", projectOf(ref.Project), ref.Name)
	if inventory.IsID(ref.Name) {
		find = rowsOf[volumeRow](db).Where("id = ?", ref.Name)
	}
	rows, err := find.Limit(1).Find(ctx)
	return only(rows, err, "volume", ref.String())
}

// Volumes returns the volumes of a project, or of all for "", sorted by project and name.
func (s *Store) Volumes(ctx context.Context, project string) ([]inventory.Volume, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[volumeRow](db).Order("project, name")
	if project != "" {
		find = find.Where("project = ?", project)
	}
	rows, err := find.Find(ctx)
	return nouns(s.path, rows, err, volumeRow.volume)
}

// AddVolume adds a volume. ErrExists if the name is taken; ErrQuota, with both numbers, if its size would
// exceed a quota. The same volume twice is no error.
func (s *Store) AddVolume(ctx context.Context, v inventory.Volume) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		v.Revision = 1
		row := newVolumeRow(v)
		old, err := findVolume(ctx, t.db, v.Ref())
		switch {
		case err == nil && old.ID == row.ID:
			return nil
		case err == nil:
			return inventory.Errorf(inventory.ErrExists, "volume %s exists already; choose another name", v.Ref())
		case !errors.Is(err, inventory.ErrNotFound):
			return err
		}
		if err := t.checkProject(ctx, row.Project); err != nil {
			return err
		}
		if err := t.checkVolumeQuota(ctx, volumeRow{}, row); err != nil {
			return err
		}
		return rowsOf[volumeRow](t.db).Create(ctx, &row)
	})
}

// ResizeVolume changes the size; ErrQuota if the larger one would exceed a quota.
func (s *Store) ResizeVolume(ctx context.Context, id inventory.VolumeID, size inventory.Bytes) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		old, err := findVolume(ctx, t.db, inventory.Ref{Name: string(id)})
		if err != nil || old.SizeBytes == int64(size) {
			return err
		}
		next := old
		next.SizeBytes, next.Revision, next.UpdatedNs = int64(size), old.Revision+1, nanos(s.now())
		if err := t.checkVolumeQuota(ctx, old, next); err != nil {
			return err
		}
		_, err = rowsOf[volumeRow](t.db).Where("id = ?", old.ID).Select("*").Updates(ctx, next)
		return err
	})
}

// UpdateVolume changes owner, purpose and flags. ErrState, with the containers, if it would end sharing
// while more than one writes to it; ErrQuota if the new owner has no room for it.
func (s *Store) UpdateVolume(ctx context.Context, v inventory.Volume) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		old, err := findVolume(ctx, t.db, inventory.Ref{Name: string(v.ID)})
		if err != nil {
			return err
		}
		next := old
		next.Owner, next.Purpose, next.Backup, next.Shared = v.Owner, v.Purpose, v.Backup, v.Shared
		if next == old {
			return nil
		}
		if err := t.mayUnshare(ctx, next); err != nil {
			return err
		}
		if err := t.checkVolumeQuota(ctx, old, next); err != nil {
			return err
		}
		next.Revision, next.UpdatedNs = old.Revision+1, nanos(s.now())
		_, err = rowsOf[volumeRow](t.db).Where("id = ?", old.ID).Select("*").Updates(ctx, next)
		return err
	})
}

// mayUnshare refuses a volume that is not shared and has more than one writer.
func (t *transaction) mayUnshare(ctx context.Context, v volumeRow) error {
	held, err := t.attachments(ctx, v.ID)
	if err != nil || v.Shared {
		return err
	}
	var writers []string
	for _, h := range held {
		if name := h.ref().String(); !h.ReadOnly && !slices.Contains(writers, name) {
			writers = append(writers, name)
		}
	}
	if len(writers) < 2 {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "volume %s is written to by %s; detach it from all but one first",
		v.volume().Ref(), strings.Join(writers, ", "))
}

// VolumeFits says whether a volume of that size would exceed a quota: the error AddVolume or ResizeVolume
// would give. For plans.
func (s *Store) VolumeFits(ctx context.Context, v inventory.Volume) error {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return err
	}
	old, err := findVolume(ctx, db, inventory.Ref{Name: string(v.ID)})
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return explain(s.path, err)
	}
	t := &transaction{db: db, store: s}
	return explain(s.path, t.checkVolumeQuota(ctx, old, newVolumeRow(v)))
}

// PutVolume adds the volume, or puts it in the place of the one with its id, whatever the quotas: it is
// how a change is taken back.
func (s *Store) PutVolume(ctx context.Context, v inventory.Volume) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		row := newVolumeRow(v)
		return rowsOf[volumeRow](t.db, replace("id")).Create(ctx, &row)
	})
}

// RemoveVolume removes the row with those of its snapshots; a missing one is no error. ErrState, with the
// containers, while it is attached to any.
func (s *Store) RemoveVolume(ctx context.Context, id inventory.VolumeID) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		held, err := t.attachments(ctx, string(id))
		if err != nil {
			return err
		}
		if len(held) > 0 {
			return stillAttached(held)
		}
		_, err = rowsOf[volumeRow](t.db).Where("id = ?", string(id)).Delete(ctx)
		return err
	})
}

func stillAttached(held []attachmentRow) error {
	var names []string
	for _, h := range held {
		names = append(names, h.ref().String())
	}
	return inventory.Errorf(inventory.ErrState, "the volume is attached to %s; detach it first", strings.Join(names, ", "))
}

type volumeSnapshotRow struct {
	VolumeID  string `gorm:"primaryKey"`
	Name      string `gorm:"primaryKey"`
	Note      string
	CreatedNs int64
}

func (volumeSnapshotRow) TableName() string { return "volume_snapshots" }

func (r volumeSnapshotRow) snapshot() inventory.VolumeSnapshot {
	return inventory.VolumeSnapshot{Volume: inventory.VolumeID(r.VolumeID), Name: r.Name, Note: r.Note,
		CreatedAt: instant(r.CreatedNs)}
}

// SaveVolumeSnapshot adds the snapshot or replaces the volume's one of that name.
func (s *Store) SaveVolumeSnapshot(ctx context.Context, n inventory.VolumeSnapshot) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[volumeSnapshotRow](t.db, replace("volume_id", "name")).Create(ctx, &volumeSnapshotRow{
			VolumeID: string(n.Volume), Name: n.Name, Note: n.Note, CreatedNs: nanos(n.CreatedAt)})
	})
}

// VolumeSnapshots returns a volume's snapshots, oldest first.
func (s *Store) VolumeSnapshots(ctx context.Context, id inventory.VolumeID) ([]inventory.VolumeSnapshot, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[volumeSnapshotRow](db).Where("volume_id = ?", string(id)).Order("created_ns, name").Find(ctx)
	return nouns(s.path, rows, err, volumeSnapshotRow.snapshot)
}

// DeleteVolumeSnapshot removes the row; a missing one is no error.
func (s *Store) DeleteVolumeSnapshot(ctx context.Context, id inventory.VolumeID, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[volumeSnapshotRow](t.db).Where("volume_id = ? AND name = ?", string(id), name).Delete(ctx)
		return err
	})
}
