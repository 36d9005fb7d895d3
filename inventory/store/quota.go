package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Scopes of quotas: what their holder is the name of.
const (
	ofProject     = "project" // inventory.WholeHost is the host's
	ofOwner       = "owner"
	ofEnvironment = "environment"
)

type quotaRow struct {
	Scope  string `gorm:"primaryKey"`
	Holder string `gorm:"primaryKey"`
	Name   string `gorm:"primaryKey"`
	Max    int64
}

func (quotaRow) TableName() string { return "quotas" }

func newQuotaRow(h inventory.QuotaHolder, name string, most int64) quotaRow {
	switch {
	case h.Owner != "":
		return quotaRow{ofOwner, h.Owner, name, most}
	case h.Environment != "":
		return quotaRow{ofEnvironment, string(h.Environment), name, most}
	}
	return quotaRow{ofProject, h.Project, name, most}
}

func (r quotaRow) quota() inventory.Quota {
	q := inventory.Quota{Name: r.Name, Max: r.Max}
	switch r.Scope {
	case ofOwner:
		q.Owner = r.Holder
	case ofEnvironment:
		q.Environment = inventory.Environment(r.Holder)
	default:
		q.Project = r.Holder
	}
	return q
}

func (r quotaRow) isHost() bool { return r.Scope == ofProject && r.Holder == inventory.WholeHost }

// holds reports whether the quota bounds the container.
func (r quotaRow) holds(c *containerRow) bool {
	return c != nil && r.quota().Bounds(c.Project, c.Owner, inventory.Environment(c.Environment))
}

// amounts is what containers and volumes count, by the name of the quota.
type amounts map[string]int64

// counts is what one container counts; a trashed one keeps its data, its addresses and nothing else.
func (r *containerRow) counts() amounts {
	a := amounts{inventory.QuotaDisk: r.DiskBytes, inventory.QuotaAddresses: r.Addresses}
	if r.TrashedNs != nil {
		return a
	}
	a[inventory.QuotaContainers], a[inventory.QuotaCPUs], a[inventory.QuotaMemory] = 1, r.CPUsMilli, r.MemoryBytes
	for name, has := range map[string]bool{inventory.QuotaPrivileged: r.Privileged, inventory.QuotaNested: r.Nested} {
		if has {
			a[name] = 1
		}
	}
	return a
}

// Overdraws says whether after, or before where that is nil, would exceed a quota with the
// reservation (nil: the one it has): the error Admit would give, without reserving. before is nil for
// a new container.
func (s *Store) Overdraws(ctx context.Context, before, after *inventory.Container, r *gate.Reservation) error {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return err
	}
	var old *containerRow
	if before != nil && (after == nil || before.ID == after.ID) {
		rows, err := rowsOf[containerRow](db).Where("id = ?", string(before.ID)).Limit(1).Find(ctx)
		if err != nil {
			return explain(s.path, err)
		}
		if len(rows) > 0 {
			old = &rows[0]
		}
	}
	var reserve gate.Reservation
	if old != nil {
		reserve = old.reservation()
	}
	if r != nil {
		reserve = *r
	}
	if after == nil {
		after = before
	}
	t := &transaction{db: db, store: s}
	return explain(s.path, t.checkQuota(ctx, old, newContainerRow(after, reserve)))
}

// checkQuota refuses with ErrQuota if replacing old by next would exceed a quota. What does not
// grow is never refused, even if a quota was lowered below it since.
func (t *transaction) checkQuota(ctx context.Context, old *containerRow, next containerRow) error {
	quotas, err := t.quotasOf(ctx, next.Project, next.Owner, []string{next.Environment})
	if err != nil {
		return err
	}
	known := sums{}
	for _, q := range quotas {
		before, after := amounts{}, next.counts() // a holder that is new to it had nothing of it
		if q.holds(old) {
			before = old.counts()
		}
		if q.Scope == ofEnvironment && q.Name == inventory.QuotaDisk {
			if err := t.countVolumes(ctx, q.Holder, old, &next, before, after); err != nil {
				return err
			}
		}
		if after[q.Name] <= before[q.Name] {
			continue
		}
		if err := t.fits(ctx, q, known, after[q.Name], next.ID, next.Name); err != nil {
			return err
		}
	}
	return nil
}

// countVolumes adds to the disk of a container, before and after, the volumes that its devices name
// and no other container of the environment has.
func (t *transaction) countVolumes(ctx context.Context, environment string, old, next *containerRow,
	before, after amounts) error {
	for _, part := range []struct {
		row *containerRow
		sum amounts
	}{{old, before}, {next, after}} {
		if part.row == nil || part.row.Environment != environment {
			continue
		}
		var names []string
		for _, d := range part.row.Devices.V {
			if d.Volume() != "" {
				names = append(names, d.Volume())
			}
		}
		if len(names) == 0 {
			continue
		}
		rows, err := rowsOf[volumeRow](t.db).Where("project = ? AND name IN ? AND id NOT IN "+attachedIn,
			part.row.Project, names, environment, next.ID).Find(ctx)
		if err != nil {
			return err
		}
		for _, v := range rows {
			part.sum[inventory.QuotaDisk] += v.SizeBytes
		}
	}
	return nil
}

// attachedIn selects the volumes that containers of an environment but one have.
const attachedIn = `(SELECT a.volume_id FROM volume_attachments a JOIN containers c ON c.id = a.container_id
	WHERE a.to_ns IS NULL AND c.environment = ? AND c.id <> ?)`

// quotasOf are the quotas that bound what has that project, owner and environments, the holder's own
// before the host's.
func (t *transaction) quotasOf(ctx context.Context, project, owner string, environments []string) ([]quotaRow, error) {
	return rowsOf[quotaRow](t.db).Where(
		"scope = ? AND holder IN (?, ?) OR scope = ? AND holder = ? OR scope = ? AND holder IN ?",
		ofProject, project, inventory.WholeHost, ofOwner, owner, ofEnvironment, environments).
		Order("holder = '*', scope DESC, holder, name").Find(ctx)
}

// sums are what holders have taken, by scope and holder: one sum serves all quotas of a holder.
type sums map[[2]string]amounts

// of is taken, asked for once.
func (s sums) of(ctx context.Context, t *transaction, q quotaRow, except string) (amounts, error) {
	holder := [2]string{q.Scope, q.Holder}
	if known, ok := s[holder]; ok {
		return known, nil
	}
	sum, err := t.taken(ctx, q, except)
	s[holder] = sum
	return sum, err
}

// fits refuses with ErrQuota what asks for that much of a quota if others have taken too much of it.
func (t *transaction) fits(ctx context.Context, q quotaRow, known sums, asked int64, id, name string) error {
	taken, err := known.of(ctx, t, q, id)
	if err != nil || taken[q.Name]+asked <= q.Max {
		return err
	}
	return q.quota().Overdrawn(taken[q.Name], asked, name)
}

// checkVolumeQuota refuses with ErrQuota if the volume would exceed a quota on disk. What does not
// grow is never refused.
func (t *transaction) checkVolumeQuota(ctx context.Context, old, next volumeRow) error {
	if next.SizeBytes <= old.SizeBytes && next.Owner == old.Owner {
		return nil
	}
	var environments []string
	err := t.db.WithContext(ctx).Raw(`SELECT DISTINCT c.environment FROM volume_attachments a
		JOIN containers c ON c.id = a.container_id WHERE a.to_ns IS NULL AND a.volume_id = ?`, next.ID).Scan(&environments).Error
	if err != nil {
		return err
	}
	quotas, err := t.quotasOf(ctx, next.Project, next.Owner, environments)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		isNew := q.Scope == ofOwner && old.Owner != next.Owner
		if q.Name != inventory.QuotaDisk || next.SizeBytes <= old.SizeBytes && !isNew {
			continue
		}
		if err := t.fits(ctx, q, sums{}, next.SizeBytes, next.ID, next.Name); err != nil {
			return err
		}
	}
	return nil
}

// taken sums what all containers and volumes of the quota's holder but one count.
func (t *transaction) taken(ctx context.Context, q quotaRow, except string) (amounts, error) {
	volumes, args := "SELECT coalesce(sum(size_bytes), 0) FROM volumes WHERE id <> ?", []any{except}
	find := rowsOf[containerRow](t.db).Where("id <> ?", except)
	switch {
	case q.isHost():
	case q.Scope == ofEnvironment:
		volumes, args = volumes+" AND id IN "+attachedIn, append(args, q.Holder, except)
		find = find.Where("environment = ?", q.Holder)
	default: // the columns are called as the scopes are
		volumes, args = volumes+" AND "+q.Scope+" = ?", append(args, q.Holder)
		find = find.Where(q.Scope+" = ?", q.Holder)
	}
	row := find.Select(`coalesce(sum(trashed_ns IS NULL), 0),
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN cpus_milli END), 0),
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN memory_bytes END), 0),
		coalesce(sum(disk_bytes), 0) + (`+volumes+`), coalesce(sum(addresses), 0),
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN privileged END), 0),
		coalesce(sum(CASE WHEN trashed_ns IS NULL THEN nested END), 0)`, args...).Row(ctx)
	if row == nil {
		return nil, fmt.Errorf("sum the reservations of %s %s: no row", q.Scope, q.Holder)
	}
	var n [7]int64 // in the order of inventory.QuotaNames
	if err := row.Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6]); err != nil {
		return nil, err
	}
	out := amounts{}
	for i, name := range inventory.QuotaNames {
		out[name] = n[i]
	}
	return out, nil
}

// SetQuotas sets the most a holder may reserve, by quota; a negative most takes the quota away.
// What is reserved already stays, even beyond it.
func (s *Store) SetQuotas(ctx context.Context, h inventory.QuotaHolder, most map[string]int64) error {
	for name := range most {
		if !slices.Contains(inventory.QuotaNames, name) {
			return inventory.Errorf(inventory.ErrInvalid, "there is no quota %q; there are %s", name,
				strings.Join(inventory.QuotaNames, ", "))
		}
	}
	if h == (inventory.QuotaHolder{}) {
		h.Project = inventory.DefaultProject
	}
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if h.Project != "" && h.Project != inventory.WholeHost {
			if err := t.checkProject(ctx, h.Project); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(most)) {
			if err := t.setQuota(ctx, newQuotaRow(h, name, most[name])); err != nil {
				return err
			}
		}
		return t.addProjectEvent(ctx, "quota.updated", h.Project)
	})
}

func (t *transaction) setQuota(ctx context.Context, row quotaRow) error {
	if row.Max >= 0 {
		return rowsOf[quotaRow](t.db, replace("scope", "holder", "name")).Create(ctx, &row)
	}
	_, err := rowsOf[quotaRow](t.db).Where("scope = ? AND holder = ? AND name = ?", row.Scope, row.Holder, row.Name).Delete(ctx)
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

// Quotas returns all quotas with what is committed of each: the host's and the projects', then those
// of environments and owners, sorted by holder and name.
func (s *Store) Quotas(ctx context.Context) ([]inventory.Quota, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[quotaRow](db).Order("scope <> 'project', scope, holder, name").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	t := &transaction{db: db, store: s}
	var out []inventory.Quota
	known := sums{}
	for _, r := range rows {
		used, err := known.of(ctx, t, r, "")
		if err != nil {
			return nil, explain(s.path, err)
		}
		q := r.quota()
		q.Used = used[r.Name]
		out = append(out, q)
	}
	return out, nil
}
