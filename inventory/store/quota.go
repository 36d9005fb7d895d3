package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"lodge/inventory"
	"lodge/manager/gate"
)

type quotaRow struct {
	Project string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	Max     int64
}

func (quotaRow) TableName() string { return "quotas" }

// amounts is what containers count against each quota.
type amounts struct {
	Containers int64
	CPUs       int64
	Memory     int64
	Disk       int64
}

func (a amounts) of(quota string) int64 {
	switch quota {
	case inventory.QuotaContainers:
		return a.Containers
	case inventory.QuotaCPUs:
		return a.CPUs
	case inventory.QuotaMemory:
		return a.Memory
	}
	return a.Disk
}

// counts is what one container counts; a trashed one keeps its data and nothing else.
func (r containerRow) counts() amounts {
	if r.TrashedNs != nil {
		return amounts{Disk: r.DiskBytes}
	}
	return amounts{Containers: 1, CPUs: r.CPUsMilli, Memory: r.MemoryBytes, Disk: r.DiskBytes}
}

// Overdraws says whether r for the container (nil for a new one) would exceed a quota of the
// project or the host: the error Admit would give, without reserving.
func (s *Store) Overdraws(ctx context.Context, project string, c *inventory.Container,
	r gate.Reservation) error {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return err
	}
	next := containerRow{Project: projectOf(project), CPUsMilli: milli(r.CPUs),
		MemoryBytes: int64(r.Memory), DiskBytes: int64(r.Disk)}
	var old *containerRow
	if c != nil {
		next.ID, next.Name = string(c.ID), c.Name
		rows, err := rowsOf[containerRow](db).Where("id = ?", string(c.ID)).Limit(1).Find(ctx)
		if err != nil {
			return explain(s.path, err)
		}
		if len(rows) > 0 {
			old = &rows[0]
		}
	}
	t := &transaction{db: db, store: s}
	return explain(s.path, t.checkQuota(ctx, old, next))
}

// checkQuota refuses with ErrQuota if replacing old by next would exceed a quota. What does not
// grow is never refused, even if a quota was lowered below it since.
func (t *transaction) checkQuota(ctx context.Context, old *containerRow, next containerRow) error {
	after := next.counts()
	quotas, err := rowsOf[quotaRow](t.db).Where("project IN (?, ?)", next.Project,
		inventory.WholeHost).Order("project DESC, name").Find(ctx)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		before := amounts{} // a project it moves to had nothing of it
		if old != nil && (old.Project == next.Project || q.Project == inventory.WholeHost) {
			before = old.counts()
		}
		if after.of(q.Name) <= before.of(q.Name) {
			continue
		}
		taken, err := t.taken(ctx, q.Project, next.ID)
		if err != nil {
			return err
		}
		if taken.of(q.Name)+after.of(q.Name) > q.Max {
			return overdrawn(q, taken.of(q.Name), after.of(q.Name), next.Name)
		}
	}
	return nil
}

// taken sums what all containers and volumes of the project but one count.
func (t *transaction) taken(ctx context.Context, project, except string) (amounts, error) {
	var sum amounts
	find := rowsOf[containerRow](t.db).Select(`coalesce(sum(trashed_ns IS NULL), 0) AS containers,
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN cpus_milli END), 0) AS cpus,
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN memory_bytes END), 0) AS memory,
		coalesce(sum(disk_bytes), 0) + (SELECT coalesce(sum(size_bytes), 0) FROM volumes
			WHERE id <> @except AND (@project = @all OR project = @project)) AS disk`,
		map[string]any{"except": except, "project": project, "all": inventory.WholeHost}).Where("id <> ?", except)
	if project != inventory.WholeHost {
		find = find.Where("project = ?", project)
	}
	row := find.Row(ctx)
	if row == nil {
		return sum, fmt.Errorf("sum the reservations of project %s: no row", project)
	}
	err := row.Scan(&sum.Containers, &sum.CPUs, &sum.Memory, &sum.Disk)
	return sum, err
}

func overdrawn(q quotaRow, taken, asked int64, name string) error {
	who, holder := cmp.Or(name, "the new container"), "project "+q.Project
	if q.Project == inventory.WholeHost {
		holder = "this host"
	}
	if q.Name == inventory.QuotaContainers {
		return inventory.Errorf(inventory.ErrQuota,
			"%s may have %d containers and has %d; purge one or raise the quota", holder, q.Max, taken)
	}
	return inventory.Errorf(inventory.ErrQuota, "%s may use %s, %s is taken and %s asks for %s",
		holder, inventory.QuotaText(q.Name, q.Max)+" "+unit(q.Name), inventory.QuotaText(q.Name, taken), who, inventory.QuotaText(q.Name, asked))
}

func unit(quota string) string {
	if quota == inventory.QuotaCPUs {
		return "CPUs"
	}
	return quota
}

// SetQuotas sets the most a project may reserve, by quota; a negative most takes the quota away.
// What is reserved already stays, even beyond it.
func (s *Store) SetQuotas(ctx context.Context, project string, most map[string]int64) error {
	project = projectOf(project)
	for name := range most {
		if !slices.Contains(inventory.QuotaNames, name) {
			return inventory.Errorf(inventory.ErrInvalid, "there is no quota %q; there are %s", name,
				strings.Join(inventory.QuotaNames, ", "))
		}
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if project != inventory.WholeHost {
			if err := t.checkProject(ctx, project); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(most)) {
			if err := t.setQuota(ctx, quotaRow{project, name, most[name]}); err != nil {
				return err
			}
		}
		return t.addProjectEvent(ctx, "quota.updated", project)
	})
}

func (t *transaction) setQuota(ctx context.Context, row quotaRow) error {
	if row.Max >= 0 {
		return rowsOf[quotaRow](t.db, replace("project", "name")).Create(ctx, &row)
	}
	_, err := rowsOf[quotaRow](t.db).Where("project = ? AND name = ?", row.Project, row.Name).Delete(ctx)
	return err
}

// replace makes an insert replace the row that has the same key.
func replace(key ...string) clause.Expression {
	var columns []clause.Column
	for _, name := range key {
		columns = append(columns, clause.Column{Name: name})
	}
	return clause.OnConflict{Columns: columns, UpdateAll: true}
}

// Quotas returns all quotas with what is used of each, sorted by project and name.
func (s *Store) Quotas(ctx context.Context) ([]inventory.Quota, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[quotaRow](db).Order("project, name").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	t := &transaction{db: db, store: s}
	var out []inventory.Quota
	for _, r := range rows {
		used, err := t.taken(ctx, r.Project, "")
		if err != nil {
			return nil, explain(s.path, err)
		}
		out = append(out, inventory.Quota{Project: r.Project, Name: r.Name, Max: r.Max, Used: used.of(r.Name)})
	}
	return out, nil
}
