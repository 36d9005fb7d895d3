package store

import (
	"context"
	"time"

	"lodge/inventory"
)

// moveVerb is the operation that takes a volume from its container and gives it to another.
const moveVerb = "volume.move"

// attachmentRow is one stretch of time in which a container had a volume at one path.
type attachmentRow struct {
	ID          int64 `gorm:"primaryKey"`
	VolumeID    string
	ContainerID string
	Name        string
	Project     string
	Device      string
	Path        string
	ReadOnly    bool
	FromNs      int64
	ToNs        *int64
}

func (attachmentRow) TableName() string { return "volume_attachments" }

func (r attachmentRow) ref() inventory.Ref { return inventory.Ref{Project: r.Project, Name: r.Name} }

func (r attachmentRow) attachment() inventory.Attachment {
	return inventory.Attachment{Volume: inventory.VolumeID(r.VolumeID), Container: inventory.ContainerID(r.ContainerID),
		Name: r.Name, Project: r.Project, Device: r.Device, Path: r.Path, ReadOnly: r.ReadOnly,
		From: instant(r.FromNs), To: instantOrZero(r.ToNs)}
}

func (r attachmentRow) is(o attachmentRow) bool {
	return r.VolumeID == o.VolumeID && r.ContainerID == o.ContainerID && r.Device == o.Device && r.Path == o.Path &&
		r.ReadOnly == o.ReadOnly
}

// attachments are those of a volume that hold now.
func (t *transaction) attachments(ctx context.Context, volume string) ([]attachmentRow, error) {
	return rowsOf[attachmentRow](t.db).Where("volume_id = ? AND to_ns IS NULL", volume).Order("from_ns, id").Find(ctx)
}

// holdVolumes attaches to c the volumes its devices name and detaches none: while an operation runs, those
// before and those after it are both held, so that undoing it needs no luck. ErrNotFound if there is no
// such volume, ErrState if another container writes to one that is not shared.
func (t *transaction) holdVolumes(ctx context.Context, c *inventory.Container, at time.Time) error {
	for _, d := range c.Devices {
		if d.Volume() == "" {
			continue
		}
		v, err := findVolume(ctx, t.db, inventory.Ref{Project: c.Project, Name: d.Volume()})
		if err != nil {
			return err
		}
		held, err := t.attachments(ctx, v.ID)
		if err != nil {
			return err
		}
		row := newAttachmentRow(v, c, d, at)
		have, err := t.mayAttach(ctx, v, row, held)
		if err != nil {
			return err
		}
		if !have {
			if err := rowsOf[attachmentRow](t.db).Create(ctx, &row); err != nil {
				return err
			}
		}
	}
	return nil
}

func newAttachmentRow(v volumeRow, c *inventory.Container, d inventory.Device, at time.Time) attachmentRow {
	return attachmentRow{VolumeID: v.ID, ContainerID: string(c.ID), Name: c.Name, Project: projectOf(c.Project),
		Device: d.Name, Path: d.Properties[inventory.PropertyPath], ReadOnly: d.IsReadOnly(), FromNs: nanos(at)}
}

// mayAttach reports whether the row is there already, or refuses it.
func (t *transaction) mayAttach(ctx context.Context, v volumeRow, row attachmentRow,
	held []attachmentRow) (have bool, err error) {
	for _, h := range held {
		if h.is(row) {
			return true, nil
		}
		if h.ContainerID == row.ContainerID || v.Shared || h.ReadOnly || row.ReadOnly {
			continue
		}
		moving, err := t.moves(ctx, h, v, row)
		if err != nil {
			return false, err
		}
		if !moving {
			return false, inventory.Errorf(inventory.ErrState,
				"volume %s is attached to %s, and one container at a time may write to it; 'lodge volume move' hands it over, or attach it read-only",
				v.volume().Ref(), h.ref())
		}
	}
	return false, nil
}

// moves reports whether an operation is taking the volume from its holder to give it to the row's container.
func (t *transaction) moves(ctx context.Context, holder attachmentRow, v volumeRow, row attachmentRow) (bool, error) {
	running, err := rowsOf[operationRow](t.db).Where("container_id = ? AND verb = ? AND ended_ns IS NULL AND state = 'running'",
		holder.ContainerID, moveVerb).Find(ctx)
	for _, op := range running {
		var args inventory.AttachArgs
		if inventory.DecodeArgs(rawFrom(op.Args), &args) == nil && args.Volume == v.Name && args.To == row.Name &&
			op.Project == row.Project {
			return true, err
		}
	}
	return false, err
}

// settleVolumes ends what c no longer has, and notes the name it has now.
func (t *transaction) settleVolumes(ctx context.Context, c *inventory.Container, at time.Time) error {
	rows, err := rowsOf[attachmentRow](t.db).Where("container_id = ? AND to_ns IS NULL", string(c.ID)).Find(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		update := rowsOf[attachmentRow](t.db).Where("id = ?", r.ID)
		if d, ok := c.Device(r.Device); !ok || d.Volume() == "" || d.Properties[inventory.PropertyPath] != r.Path ||
			d.IsReadOnly() != r.ReadOnly || !t.names(ctx, c, d, r.VolumeID) {
			_, err = update.Update(ctx, "to_ns", nanos(at))
		} else if r.Name != c.Name || r.Project != projectOf(c.Project) {
			_, err = update.Set(ctx, set("name", c.Name), set("project", projectOf(c.Project)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names reports whether the device is about the volume of that id.
func (t *transaction) names(ctx context.Context, c *inventory.Container, d inventory.Device, id string) bool {
	v, err := findVolume(ctx, t.db, inventory.Ref{Project: c.Project, Name: d.Volume()})
	return err == nil && v.ID == id
}

// releaseVolumes ends everything the container holds.
func (t *transaction) releaseVolumes(ctx context.Context, id inventory.ContainerID, at time.Time) error {
	_, err := rowsOf[attachmentRow](t.db).Where("container_id = ? AND to_ns IS NULL", string(id)).Update(ctx, "to_ns", nanos(at))
	return err
}

// Attachable says whether the container could have its volumes as its devices name them: the error Admit
// would give. For plans.
func (s *Store) Attachable(ctx context.Context, c *inventory.Container) error {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return err
	}
	t := &transaction{db: db, store: s}
	for _, d := range c.Devices {
		if d.Volume() == "" {
			continue
		}
		v, err := findVolume(ctx, db, inventory.Ref{Project: c.Project, Name: d.Volume()})
		if err != nil {
			return explain(s.path, err)
		}
		held, err := t.attachments(ctx, v.ID)
		if err == nil {
			_, err = t.mayAttach(ctx, v, newAttachmentRow(v, c, d, time.Time{}), held)
		}
		if err != nil {
			return explain(s.path, err)
		}
	}
	return nil
}

// Attachments returns who has the volume (history: and who had it), newest first.
func (s *Store) Attachments(ctx context.Context, id inventory.VolumeID, history bool) ([]inventory.Attachment, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[attachmentRow](db).Where("volume_id = ?", string(id)).Order("from_ns DESC, id DESC")
	if !history {
		find = find.Where("to_ns IS NULL")
	}
	rows, err := find.Find(ctx)
	all, err := nouns(s.path, rows, err, attachmentRow.attachment)
	for i, a := range all {
		holders, err := rowsOf[containerRow](db).Where("id = ?", string(a.Container)).Limit(1).Find(ctx)
		if err != nil {
			return nil, explain(s.path, err)
		}
		all[i].Trashed = len(holders) > 0 && holders[0].TrashedNs != nil
	}
	return all, err
}
