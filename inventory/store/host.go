package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"gorm.io/gorm/clause"

	"lodge/inventory"
)

type hostRow struct {
	ID               string `gorm:"primaryKey"`
	Name             string
	MachineID        string
	Settings         document[map[string]string]
	SettingsRevision int64
	CreatedNs        int64
}

func (hostRow) TableName() string { return "hosts" }

func (r hostRow) host() inventory.Host {
	return inventory.Host{ID: inventory.HostID(r.ID), Name: r.Name, MachineID: r.MachineID,
		CreatedAt: instant(r.CreatedNs)}
}

// EnsureHost returns the row of the machine the agent runs on, and makes the store know it: events
// and host settings are its own. The database lies beside the pool, so when its only host has
// another machine id, the machine was reinstalled or its disk moved: the host stays the same and
// the change is logged.
func (s *Store) EnsureHost(ctx context.Context, machineID, name string) (inventory.Host, error) {
	var row hostRow
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		hosts, err := rowsOf[hostRow](t.db).Order("created_ns").Find(ctx)
		if err != nil {
			return err
		}
		if found := matchHost(hosts, machineID); found != nil {
			row = *found
			return t.updateHost(ctx, &row, machineID, name)
		}
		row = hostRow{ID: inventory.NewID(s.now()), Name: name, MachineID: machineID,
			CreatedNs: nanos(s.now())}
		return rowsOf[hostRow](t.db).Create(ctx, &row)
	})
	if err != nil {
		return inventory.Host{}, err
	}
	s.host.Store(inventory.HostID(row.ID))
	return row.host(), nil
}

func matchHost(hosts []hostRow, machineID string) *hostRow {
	for i := range hosts {
		if hosts[i].MachineID == machineID {
			return &hosts[i]
		}
	}
	if len(hosts) == 1 {
		return &hosts[0]
	}
	return nil
}

func (t *transaction) updateHost(ctx context.Context, row *hostRow, machineID, name string) error {
	if row.MachineID == machineID && row.Name == name {
		return nil
	}
	if row.MachineID != machineID {
		t.store.log.Warn("the machine id changed; the host and its containers are kept", "host", row.ID,
			"before", row.MachineID, "now", machineID)
	}
	row.MachineID, row.Name = machineID, name
	_, err := rowsOf[hostRow](t.db).Where("id = ?", row.ID).Set(ctx, set("machine_id", machineID),
		set("name", name))
	return err
}

// Host returns the row of one host; ErrNotFound if there is none.
func (s *Store) Host(ctx context.Context, id inventory.HostID) (inventory.Host, error) {
	row, err := s.hostRow(ctx, id)
	return row.host(), err
}

// Hosts returns all hosts, sorted by name.
func (s *Store) Hosts(ctx context.Context) ([]inventory.Host, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[hostRow](db).Order("name, id").Find(ctx)
	return nouns(s.path, rows, err, hostRow.host)
}

func (s *Store) hostRow(ctx context.Context, id inventory.HostID) (hostRow, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return hostRow{}, err
	}
	rows, err := rowsOf[hostRow](db).Where("id = ?", string(id)).Limit(1).Find(ctx)
	row, err := only(rows, err, "host", string(id))
	return row, explain(s.path, err)
}

func (s *Store) thisHost() (inventory.HostID, error) {
	id := s.host.Load().(inventory.HostID)
	if id == "" {
		return "", unavailable("the store does not know its host yet; EnsureHost comes first")
	}
	return id, nil
}

// HostSettings returns what is set on this host; never nil.
func (s *Store) HostSettings(ctx context.Context) (map[string]string, error) {
	row, err := s.thisHostRow(ctx)
	if err == nil && row.Settings.V == nil {
		return map[string]string{}, nil
	}
	return row.Settings.V, err
}

// HostSettingsRevision returns a number that grows by one with every SetHostSettings.
func (s *Store) HostSettingsRevision(ctx context.Context) (int64, error) {
	row, err := s.thisHostRow(ctx)
	return row.SettingsRevision, err
}

func (s *Store) thisHostRow(ctx context.Context) (hostRow, error) {
	id, err := s.thisHost()
	if err != nil {
		return hostRow{}, err
	}
	return s.hostRow(ctx, id)
}

// SetHostSettings replaces everything that is set on this host and adds the event "host.updated". In
// the same transaction the containers of reserve, which inherit from it, count that much from now on;
// ErrQuota, and nothing changed, if that exceeds a quota.
func (s *Store) SetHostSettings(ctx context.Context, values map[string]string,
	reserve map[inventory.ContainerID]inventory.Reservation) error {
	id, err := s.thisHost()
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.reserveAll(ctx, reserve); err != nil {
			return err
		}
		rows, err := rowsOf[hostRow](t.db).Where("id = ?", string(id)).Limit(1).Find(ctx)
		row, err := only(rows, err, "host", string(id))
		if err != nil {
			return err
		}
		_, err = rowsOf[hostRow](t.db).Where("id = ?", row.ID).
			Set(ctx, set("settings", doc(values)), set("settings_revision", row.SettingsRevision+1))
		if err != nil {
			return err
		}
		return t.addEvent(ctx, id, inventory.Event{Type: "host.updated", Name: row.Name})
	})
}

// TryReserve returns the error that SetHostSettings would for what containers are to count, and
// changes nothing.
func (s *Store) TryReserve(ctx context.Context, reserve map[inventory.ContainerID]inventory.Reservation) error {
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		return cmp.Or(t.reserveAll(ctx, reserve), errTried)
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

func (t *transaction) reserveAll(ctx context.Context, reserve map[inventory.ContainerID]inventory.Reservation) error {
	for _, id := range slices.Sorted(maps.Keys(reserve)) {
		if err := t.reserve(ctx, string(id), reserve[id]); err != nil {
			return err
		}
	}
	return nil
}

type metaRow struct {
	Key   string `gorm:"primaryKey"`
	Value string
}

func (metaRow) TableName() string { return "meta" }

// Meta returns a value the agent keeps about itself; ok is false if it was never set.
func (s *Store) Meta(ctx context.Context, key string) (value string, ok bool, err error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return "", false, err
	}
	rows, err := rowsOf[metaRow](db).Where(clause.Eq{Column: "key", Value: key}).Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return "", false, explain(s.path, err)
	}
	return rows[0].Value, true, nil
}

// SetMeta keeps a value under key, in place of an earlier one.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[metaRow](t.db, replace("key")).Create(ctx, &metaRow{key, value})
	})
}
