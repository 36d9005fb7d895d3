package store

import (
	"context"
	"encoding/json"
	"time"

	"lodge/inventory"
)

type leaseWarningRow struct {
	ContainerID string `gorm:"primaryKey"`
	Clock       string `gorm:"primaryKey"`
	UntilNs     int64  `gorm:"primaryKey;autoIncrement:false"`
	BeforeNs    int64  `gorm:"primaryKey;autoIncrement:false"`
	AtNs        int64
}

func (leaseWarningRow) TableName() string { return "lease_warnings" }

// Leased returns the containers of the host that have a lease, those in the trash too.
func (s *Store) Leased(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[containerRow](db).Where("host_id = ? AND (expires_ns IS NOT NULL OR run_until_ns IS NOT NULL)",
		string(host)).Order("project, name").Find(ctx)
	return nouns(s.path, rows, err, containerRow.container)
}

// NoteLeaseWarning gives a warning: with its row it writes the event "lease.warning". One that was
// given already, or of a container that is gone, does nothing.
func (s *Store) NoteLeaseWarning(ctx context.Context, w inventory.LeaseWarning) error {
	row := leaseWarningRow{ContainerID: string(w.Container), Clock: string(w.Clock), UntilNs: nanos(w.Until),
		BeforeNs: int64(w.Before), AtNs: nanos(w.At)}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		given, err := rowsOf[leaseWarningRow](t.db).Where("container_id = ? AND clock = ? AND until_ns = ? AND before_ns = ?",
			row.ContainerID, row.Clock, row.UntilNs, row.BeforeNs).Count(ctx, "*")
		if err != nil || given > 0 {
			return err
		}
		rows, err := rowsOf[containerRow](t.db).Where("id = ?", row.ContainerID).Limit(1).Find(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := rowsOf[leaseWarningRow](t.db).Create(ctx, &row); err != nil {
			return err
		}
		data, _ := json.Marshal(map[string]any{"clock": w.Clock, "until": w.Until.UTC(), // strings and a time
			"left": inventory.DurationText(w.Until.Sub(w.At).Truncate(time.Second)), "owner": rows[0].Owner})
		return t.addEvent(ctx, inventory.HostID(rows[0].HostID), inventory.Event{At: w.At, Type: "lease.warning",
			Container: w.Container, Name: rows[0].Name, Project: rows[0].Project, Data: data})
	})
}

// LeaseWarnings returns what the present lease of a container has said, the newest first.
func (s *Store) LeaseWarnings(ctx context.Context, id inventory.ContainerID) ([]inventory.LeaseWarning, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[leaseWarningRow](db).Where(`container_id = ? AND until_ns IN
		(SELECT expires_ns FROM containers WHERE id = container_id UNION SELECT run_until_ns FROM containers WHERE id = container_id)`,
		string(id)).Order("at_ns DESC, before_ns").Find(ctx)
	return nouns(s.path, rows, err, func(r leaseWarningRow) inventory.LeaseWarning {
		return inventory.LeaseWarning{Container: inventory.ContainerID(r.ContainerID), Clock: inventory.Clock(r.Clock),
			Until: instant(r.UntilNs), Before: time.Duration(r.BeforeNs), At: instant(r.AtNs)}
	})
}
