package store

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"lodge/inventory"
)

type auditCursorRow struct {
	ID     int64 `gorm:"primaryKey"`
	Origin string
	Seq    int64
}

func (auditCursorRow) TableName() string { return "audit_cursor" }

type auditTermRow struct {
	ID   int64 `gorm:"primaryKey"`
	Text string
}

func (auditTermRow) TableName() string { return "audit_terms" }

type auditUseRow struct {
	Field string `gorm:"primaryKey"`
	Term  int64  `gorm:"primaryKey;autoIncrement:false"`
	Uses  int64
}

func (auditUseRow) TableName() string { return "audit_uses" }

type auditSpanRow struct {
	Block  int64 `gorm:"primaryKey;autoIncrement:false"`
	FromNs int64
	ToNs   int64
}

func (auditSpanRow) TableName() string { return "audit_spans" }

type auditRecordRow struct {
	Seq       int64 `gorm:"primaryKey;autoIncrement:false"`
	AtNs      int64
	Segment   int64
	Place     int64
	Kind      int64
	Outcome   int64
	Verb      int64
	Principal int64
	Subject   int64
	Name      int64
	Project   int64
	ChangeID  int64
}

func (auditRecordRow) TableName() string { return "audit_records" }

// auditField is a column that records are looked for by.
type auditField struct {
	column string
	text   func(*inventory.Record) string
	id     func(*auditRecordRow) *int64
}

var auditFields = []auditField{
	{"kind", func(r *inventory.Record) string { return string(r.Kind) }, func(w *auditRecordRow) *int64 { return &w.Kind }},
	{"outcome", func(r *inventory.Record) string { return string(r.Outcome) }, func(w *auditRecordRow) *int64 { return &w.Outcome }},
	{"verb", func(r *inventory.Record) string { return r.Verb }, func(w *auditRecordRow) *int64 { return &w.Verb }},
	{"principal", func(r *inventory.Record) string { return r.Principal.Name }, func(w *auditRecordRow) *int64 { return &w.Principal }},
	{"subject", func(r *inventory.Record) string { return r.Subject }, func(w *auditRecordRow) *int64 { return &w.Subject }},
	{"name", func(r *inventory.Record) string { return r.Name }, func(w *auditRecordRow) *int64 { return &w.Name }},
	{"project", func(r *inventory.Record) string { return r.Project }, func(w *auditRecordRow) *int64 { return &w.Project }},
	{"change_id", func(r *inventory.Record) string { return string(r.Change) }, func(w *auditRecordRow) *int64 { return &w.ChangeID }},
}

// auditBlock is how many records share a span.
const auditBlock = 1000

// auditRows is how many rows one statement inserts: SQLite takes 32766 parameters (sqlite.org/limits.html).
const auditRows = 500

// RecordCursor returns which journal the index is of, and the last record in it; "" and 0 when it is
// empty.
func (s *Store) RecordCursor(ctx context.Context) (origin string, seq int64, err error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return "", 0, err
	}
	rows, err := rowsOf[auditCursorRow](db).Find(ctx)
	if err != nil || len(rows) == 0 {
		return "", 0, explain(s.path, err)
	}
	return rows[0].Origin, rows[0].Seq, nil
}

// ClearRecords empties the index.
func (s *Store) ClearRecords(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		for _, table := range []string{"audit_cursor", "audit_terms", "audit_uses", "audit_spans", "audit_records"} {
			if err := t.db.WithContext(ctx).Exec("DELETE FROM " + table).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// IndexRecords adds records that follow the cursor, and moves it, without waiting for the disk: after
// a power cut some may be missing, and the cursor says so. ErrStale when they don't follow.
func (s *Store) IndexRecords(ctx context.Context, origin string, records []inventory.PlacedRecord) error {
	return s.writeLazily(ctx, func(ctx context.Context, t *transaction) error {
		cursor, err := rowsOf[auditCursorRow](t.db).Find(ctx)
		if err != nil {
			return err
		}
		if len(cursor) > 0 && (cursor[0].Origin != origin || cursor[0].Seq >= records[0].Seq) {
			return inventory.Errorf(inventory.ErrStale, "the index has %s up to record %d", cursor[0].Origin, cursor[0].Seq)
		}
		a := auditAdd{db: t.db.WithContext(ctx), terms: map[string]int64{}, uses: map[auditUseRow]int64{}, spans: map[int64]auditSpanRow{}}
		if err := a.all(records); err != nil {
			return err
		}
		last := records[len(records)-1].Seq
		return rowsOf[auditCursorRow](t.db, replace("id")).Create(ctx, &auditCursorRow{1, origin, last})
	})
}

// auditAdd is the adding of one batch.
type auditAdd struct {
	db    *gorm.DB
	terms map[string]int64
	uses  map[auditUseRow]int64
	spans map[int64]auditSpanRow
}

func (a *auditAdd) all(records []inventory.PlacedRecord) error {
	rows := make([]auditRecordRow, len(records))
	for i := range records {
		p, row := &records[i], &rows[i]
		row.Seq, row.AtNs, row.Segment, row.Place = p.Seq, nanos(p.Record.At), p.Segment, p.Offset
		for _, f := range auditFields {
			id, err := a.term(f.text(&p.Record))
			if err != nil {
				return err
			}
			*f.id(row) = id
			a.uses[auditUseRow{Field: f.column, Term: id}]++
		}
		a.span(row)
	}
	for part := range slices.Chunk(rows, auditRows) {
		if err := a.insert(part); err != nil {
			return err
		}
	}
	return a.sums()
}

// insert writes rows with one statement of its own: gorm's takes five times as long to build.
func (a *auditAdd) insert(rows []auditRecordRow) error {
	one := "(?" + strings.Repeat(",?", 3+len(auditFields)) + ")"
	columns := "seq, at_ns, segment, place"
	for _, f := range auditFields {
		columns += ", " + f.column
	}
	var args []any
	for i := range rows {
		r := &rows[i]
		args = append(args, r.Seq, r.AtNs, r.Segment, r.Place)
		for _, f := range auditFields {
			args = append(args, *f.id(r))
		}
	}
	return a.db.Exec("INSERT INTO audit_records ("+columns+") VALUES "+one+strings.Repeat(","+one, len(rows)-1), args...).Error
}

// term returns the id of a text. The empty one has 0, which no row has.
func (a *auditAdd) term(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if id, ok := a.terms[text]; ok {
		return id, nil
	}
	row := auditTermRow{Text: text}
	var found []auditTermRow
	err := a.db.Where("text = ?", text).Limit(1).Find(&found).Error
	if err == nil && len(found) > 0 {
		row = found[0]
	} else if err == nil {
		err = a.db.Create(&row).Error
	}
	a.terms[text] = row.ID
	return row.ID, err
}

func (a *auditAdd) span(row *auditRecordRow) {
	block := row.Seq / auditBlock
	s, ok := a.spans[block]
	if !ok {
		s = auditSpanRow{block, row.AtNs, row.AtNs}
	}
	s.FromNs, s.ToNs = min(s.FromNs, row.AtNs), max(s.ToNs, row.AtNs)
	a.spans[block] = s
}

// sums adds what the batch counted to what is there.
func (a *auditAdd) sums() error {
	for use, n := range a.uses {
		use.Uses = n
		add := clause.OnConflict{Columns: []clause.Column{{Name: "field"}, {Name: "term"}},
			DoUpdates: clause.Assignments(map[string]any{"uses": gorm.Expr("audit_uses.uses + ?", n)})}
		if err := a.db.Clauses(add).Create(&use).Error; err != nil {
			return err
		}
	}
	for _, s := range a.spans {
		widen := clause.OnConflict{Columns: []clause.Column{{Name: "block"}}, DoUpdates: clause.Assignments(map[string]any{
			"from_ns": gorm.Expr("min(audit_spans.from_ns, ?)", s.FromNs), "to_ns": gorm.Expr("max(audit_spans.to_ns, ?)", s.ToNs)})}
		if err := a.db.Clauses(widen).Create(&s).Error; err != nil {
			return err
		}
	}
	return nil
}
