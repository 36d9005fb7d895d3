package store

import (
	"cmp"
	"context"
	"errors"

	"lodge/inventory"
)

type projectRow struct {
	Name      string `gorm:"primaryKey"`
	Purpose   string
	Owner     string
	Members   document[[]inventory.Member]
	Settings  document[map[string]string]
	Network   string
	Image     string
	Revision  int64
	CreatedNs int64
	UpdatedNs int64
}

func (projectRow) TableName() string { return "projects" }

func newProjectRow(p inventory.Project) projectRow {
	return projectRow{Name: p.Name, Purpose: p.Purpose, Owner: p.Owner, Members: doc(p.Members),
		Settings: doc(p.Settings), Network: p.Network, Image: p.Image, Revision: p.Revision,
		CreatedNs: nanos(p.CreatedAt), UpdatedNs: nanos(p.UpdatedAt)}
}

func (r projectRow) project() inventory.Project {
	return inventory.Project{Name: r.Name, Purpose: r.Purpose, Owner: r.Owner, Members: r.Members.V,
		Settings: r.Settings.V, Network: r.Network, Image: r.Image, Revision: r.Revision,
		CreatedAt: instant(r.CreatedNs), UpdatedAt: instant(r.UpdatedNs)}
}

// Project returns one by name, "" being the default one; ErrNotFound if there is none.
func (s *Store) Project(ctx context.Context, name string) (inventory.Project, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Project{}, err
	}
	rows, err := rowsOf[projectRow](db).Where("name = ?", projectOf(name)).Limit(1).Find(ctx)
	row, err := only(rows, err, "project", name)
	return row.project(), explain(s.path, err)
}

// Projects returns all projects, sorted by name.
func (s *Store) Projects(ctx context.Context) ([]inventory.Project, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[projectRow](db).Order("name").Find(ctx)
	return nouns(s.path, rows, err, projectRow.project)
}

// PutProject makes p the project of its name. Its revision has to be one more than that of the row
// there is (1: there has to be none), else ErrExists or ErrStale; a row that is p already is left
// alone. In the same transaction the containers of reserve, which inherit what p changes, count
// that much from now on; ErrQuota, and nothing changed, if that exceeds a quota.
func (s *Store) PutProject(ctx context.Context, p inventory.Project,
	reserve map[inventory.ContainerID]inventory.Reservation) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.reserveProject(ctx, p, reserve); err != nil {
			return err
		}
		return t.addProjectEvent(ctx, "project.updated", p.Name)
	})
}

// errTried takes back what TryProject has written.
var errTried = errors.New("only tried")

// TryProject returns the error that PutProject would, and changes nothing.
func (s *Store) TryProject(ctx context.Context, p inventory.Project,
	reserve map[inventory.ContainerID]inventory.Reservation) error {
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		return cmp.Or(t.reserveProject(ctx, p, reserve), errTried)
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

func (t *transaction) reserveProject(ctx context.Context, p inventory.Project,
	reserve map[inventory.ContainerID]inventory.Reservation) error {
	if err := t.putProject(ctx, newProjectRow(p)); err != nil {
		return err
	}
	return t.reserveAll(ctx, reserve)
}

func (t *transaction) putProject(ctx context.Context, next projectRow) error {
	rows, err := rowsOf[projectRow](t.db).Where("name = ?", next.Name).Limit(1).Find(ctx)
	switch {
	case err != nil:
		return err
	case len(rows) == 0 && next.Revision == 1:
		return rowsOf[projectRow](t.db).Create(ctx, &next)
	case len(rows) == 0:
		return inventory.Errorf(inventory.ErrNotFound, "there is no project %s any more", next.Name)
	case rows[0].Revision == next.Revision && rows[0].UpdatedNs == next.UpdatedNs:
		return nil // it has been written already
	case next.Revision == 1:
		return inventory.Errorf(inventory.ErrExists, "project %s exists already; choose another name",
			next.Name)
	case rows[0].Revision != next.Revision-1:
		return inventory.Errorf(inventory.ErrStale,
			"project %s changed meanwhile: it is at revision %d; look again and repeat", next.Name,
			rows[0].Revision)
	}
	_, err = rowsOf[projectRow](t.db).Where("name = ?", next.Name).Select("*").Updates(ctx, next)
	return err
}

// reserve makes the container count r; one that is gone counts nothing.
func (t *transaction) reserve(ctx context.Context, id string, r inventory.Reservation) error {
	rows, err := rowsOf[containerRow](t.db).Where("id = ?", id).Limit(1).Find(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	next := rows[0]
	next.reserve(r)
	if err := t.checkQuota(ctx, &rows[0], next); err != nil {
		return err
	}
	_, err = rowsOf[containerRow](t.db).Where("id = ?", id).Set(ctx, set("cpus_milli", next.CPUsMilli),
		set("memory_bytes", next.MemoryBytes), set("disk_bytes", next.DiskBytes),
		set("privileged", next.Privileged), set("nested", next.Nested))
	return err
}

// ProjectInUse refuses with ErrState while the project has containers, those in the trash too.
func (s *Store) ProjectInUse(ctx context.Context, name string) error {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return err
	}
	t := &transaction{db: db, store: s}
	return explain(s.path, t.projectInUse(ctx, name))
}

// DeleteProject removes the project with its quotas; ErrState as ProjectInUse says. One that is
// gone is no error.
func (s *Store) DeleteProject(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if err := t.projectInUse(ctx, name); err != nil {
			return err
		}
		if _, err := rowsOf[quotaRow](t.db).Where("scope = ? AND holder = ?", ofProject, name).Delete(ctx); err != nil {
			return err
		}
		if _, err := rowsOf[projectRow](t.db).Where("name = ?", name).Delete(ctx); err != nil {
			return err
		}
		return t.addProjectEvent(ctx, "project.deleted", name)
	})
}

func (t *transaction) projectInUse(ctx context.Context, name string) error {
	rows, err := rowsOf[containerRow](t.db).Where("project = ?", name).Order("trashed_ns, name").Find(ctx)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		last, where := rows[0], ""
		if last.TrashedNs != nil {
			where = ", in the trash"
		}
		return inventory.Errorf(inventory.ErrState,
			"project %s has %d containers, %s among them%s; move or purge them first", name, len(rows),
			last.container().Ref(), where)
	}
	if n, err := rowsOf[volumeRow](t.db).Where("project = ?", name).Count(ctx, "*"); err != nil {
		return err
	} else if n > 0 {
		return inventory.Errorf(inventory.ErrState, "project %s has %d volumes; delete them first", name, n)
	}
	// A move out of it that is undone comes back.
	running, err := rowsOf[operationRow](t.db).Where("ended_ns IS NULL AND before IS NOT NULL").Find(ctx)
	for _, r := range running {
		if b := r.Before.V; b != nil && projectOf(b.Project) == name {
			return inventory.Errorf(inventory.ErrState,
				"project %s has %s until operation %s has ended; wait for it", name, b.Name, r.ID)
		}
	}
	return err
}

// checkProject refuses with ErrNotFound what is to be in a project that is not there.
func (t *transaction) checkProject(ctx context.Context, name string) error {
	n, err := rowsOf[projectRow](t.db).Where("name = ?", name).Count(ctx, "*")
	if err == nil && n == 0 {
		return inventory.Errorf(inventory.ErrNotFound,
			"there is no project %s; 'lodge project list' shows them all", name)
	}
	return err
}

func (t *transaction) addProjectEvent(ctx context.Context, kind, name string) error {
	host, err := t.store.thisHost()
	if err != nil {
		return err
	}
	return t.addEvent(ctx, host, inventory.Event{Type: kind, Name: name, Project: name})
}
