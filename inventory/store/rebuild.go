package store

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"lodge/inventory"
)

// eventGap is how far the events of a rebuilt database begin above the newest any copy knows of: a
// copy may be a little older than the last event somebody saw, and no number is given twice.
const eventGap = 1000

// Rebuild makes a database out of copies where there is none. It is there whole when err is nil,
// and else not at all: ErrExists when c.Path exists. refused has an error for each container's copy
// that could not be put back, by its index: one of another schema, or one that claims a name, an
// address or an id range another has. A host copy without tables is a lost one; the host keeps its
// id.
func Rebuild(ctx context.Context, c Config, host inventory.Copy,
	containers []inventory.Copy) (refused map[int]error, err error) {
	if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		return nil, inventory.Errorf(inventory.ErrExists, "%s is there already", c.Path)
	}
	part := c
	part.Path = c.Path + ".recovering"
	removeDatabase(part.Path)
	defer removeDatabase(part.Path)
	s, err := Open(ctx, part)
	if err != nil {
		return nil, err
	}
	refused, err = s.putBack(ctx, host, containers)
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(part.Path, c.Path); err != nil {
		return nil, explain(c.Path, err)
	}
	return refused, explain(c.Path, syncFile(filepath.Dir(c.Path)))
}

// removeDatabase removes the file and what SQLite keeps beside it.
func removeDatabase(path string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(path + suffix)
	}
}

func (s *Store) putBack(ctx context.Context, host inventory.Copy,
	containers []inventory.Copy) (refused map[int]error, err error) {
	err = s.write(ctx, func(_ context.Context, t *transaction) error {
		if len(host.Tables) == 0 {
			return nil
		}
		return t.putCopy(host)
	})
	if err != nil {
		return nil, err
	}
	refused = map[int]error{}
	newest := host.Event
	for i, c := range containers {
		newest = max(newest, c.Event)
		err := s.write(ctx, func(_ context.Context, t *transaction) error {
			if err := t.ensureHosts(c); err != nil {
				return err
			}
			return t.putCopy(c)
		})
		if err != nil {
			refused[i] = err
		}
	}
	return refused, s.write(ctx, func(_ context.Context, t *transaction) error {
		return t.raiseEvents(newest + eventGap)
	})
}

// putCopy inserts the rows of one copy, in the order foreign keys allow.
func (t *transaction) putCopy(c inventory.Copy) error {
	have, err := schemaOf(t.db)
	if err != nil {
		return err
	}
	if c.Schema != have {
		return inventory.Errorf(inventory.ErrInvalid,
			"it is of schema %d and this lodged has %d; recover with the version that wrote it, then upgrade",
			c.Schema, have)
	}
	for _, table := range copies {
		if rows := c.Tables[table.table]; table.of == "" && len(rows) > 0 { // instead of what a new one begins with
			if err := t.db.Exec("DELETE FROM " + table.table).Error; err != nil {
				return err
			}
		}
		if err := t.putRows(table.table, c.Tables[table.table]); err != nil {
			return err
		}
	}
	return nil
}

// putRows inserts rows. Column names come from a file, so only those the table has get as far as a
// statement.
func (t *transaction) putRows(table string, rows []map[string]any) error {
	var columns []string
	if err := t.db.Raw("SELECT name FROM pragma_table_info(?)", table).Scan(&columns).Error; err != nil {
		return err
	}
	for _, row := range rows {
		for _, name := range slices.Sorted(maps.Keys(row)) {
			if !slices.Contains(columns, name) {
				return inventory.Errorf(inventory.ErrInvalid,
					"it has a column %q that the table %s has not", name, table)
			}
		}
		if err := t.db.Table(table).Create(maps.Clone(row)).Error; err != nil { // gorm adds to the map
			return inventory.Errorf(inventory.ErrInvalid, "a row of %s does not fit: %v", table, err)
		}
	}
	return nil
}

// ensureHosts makes the row of a host that containers name although the host's own copy is lost.
// The next agent finds a single host to be its own, whatever its machine id.
func (t *transaction) ensureHosts(c inventory.Copy) error {
	for _, row := range c.Tables["containers"] {
		id, _ := row["host_id"].(string)
		err := t.db.Exec("INSERT INTO hosts (id, name, machine_id, settings_revision, created_ns) "+
			"VALUES (?, 'recovered', ?, 0, ?) ON CONFLICT (id) DO NOTHING",
			id, id, nanos(t.store.now())).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// raiseEvents begins the numbers of events above all that were ever given.
func (t *transaction) raiseEvents(seq int64) error {
	return t.db.Exec("INSERT INTO events "+
		"(host_id, seq, at_ns, type, container_id, name, project, operation_id) "+
		"SELECT id, ?, ?, 'host.recovered', '', name, '', '' FROM hosts",
		seq, nanos(t.store.now())).Error
}
