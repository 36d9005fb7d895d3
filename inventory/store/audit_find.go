package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"

	"lodge/inventory"
)

// FindRecords returns where the newest records are that the query selects, newest first, at most
// q.Limit of them; without a limit a hundred. The operation of a query is not looked at: records are
// not indexed by it.
func (s *Store) FindRecords(ctx context.Context, q inventory.RecordQuery) ([]inventory.PlacedRecord, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	f := auditFind{db: db.WithContext(ctx), limit: cmp.Or(q.Limit, 100)}
	if err := f.bounds(q); err != nil {
		return nil, explain(s.path, err)
	}
	ways, err := f.ways(q)
	if err != nil {
		return nil, explain(s.path, err)
	}
	var rows []auditRecordRow
	for _, way := range ways {
		part, err := f.newest(way)
		if err != nil {
			return nil, explain(s.path, err)
		}
		rows = append(rows, part...)
	}
	slices.SortFunc(rows, func(a, b auditRecordRow) int { return cmp.Compare(b.Seq, a.Seq) })
	rows = slices.CompactFunc(rows, func(a, b auditRecordRow) bool { return a.Seq == b.Seq })
	var out []inventory.PlacedRecord
	for _, r := range rows[:min(len(rows), f.limit)] {
		out = append(out, inventory.PlacedRecord{Seq: r.Seq, Segment: r.Segment, Offset: r.Place})
	}
	return out, nil
}

// auditFind is one search.
type auditFind struct {
	db          *gorm.DB
	limit       int
	first, last int64 // numbers that can be meant
	times       []any // nanoseconds, for the condition on time
	where       string
}

// bounds turns the query's times into numbers as well as it can: a block that touches the times may
// hold records.
func (f *auditFind) bounds(q inventory.RecordQuery) error {
	f.first, f.last = q.AfterSeq+1, 1<<62
	if q.BeforeSeq > 0 {
		f.last = q.BeforeSeq - 1
	}
	blocks := f.db.Model(&auditSpanRow{}).Select("coalesce(min(block), 0) AS first, coalesce(max(block), -1) AS last")
	if !q.From.IsZero() {
		f.where, f.times = f.where+" AND at_ns >= ?", append(f.times, nanos(q.From))
		blocks = blocks.Where("to_ns >= ?", nanos(q.From))
	}
	if !q.To.IsZero() {
		f.where, f.times = f.where+" AND at_ns < ?", append(f.times, nanos(q.To))
		blocks = blocks.Where("from_ns < ?", nanos(q.To))
	}
	if f.where == "" {
		return nil
	}
	var span struct{ First, Last int64 }
	err := blocks.Scan(&span).Error
	f.first, f.last = max(f.first, span.First*auditBlock), min(f.last, span.Last*auditBlock+auditBlock-1)
	return err
}

// auditTerm is one condition: a column has a term, which so many records have.
type auditTerm struct {
	column string
	id     int64
	uses   int64
}

// ways returns the conditions of the query. One that several terms fulfil, as all verbs that begin
// alike do, makes several ways, each of which an index answers.
func (f *auditFind) ways(q inventory.RecordQuery) (ways [][]auditTerm, err error) {
	if q.Outcome == inventory.OutcomeDenied && q.Kind == inventory.RecordRefusal ||
		q.Outcome != "" && q.Outcome != inventory.OutcomeDenied && q.Kind == inventory.RecordOutcome {
		q.Kind = "" // it follows
	}
	ways = [][]auditTerm{nil}
	also := func(terms []auditTerm, e error) {
		var next [][]auditTerm
		for _, w := range ways {
			for _, t := range terms {
				next = append(next, append(slices.Clip(w), t))
			}
		}
		ways, err = next, cmp.Or(err, e)
	}
	for column, text := range map[string]string{"kind": string(q.Kind), "outcome": string(q.Outcome), "principal": q.Principal,
		"subject": q.Subject, "name": q.Name, "project": q.Project, "change_id": string(q.Change), "verb": q.Verb} {
		prefix, isPrefix := strings.CutSuffix(text, "*")
		switch {
		case text == "":
		case column == "verb" && isPrefix:
			also(f.terms("audit_uses.field = 'verb' AND substr(text, 1, ?) = ?", len([]rune(prefix)), prefix))
		default:
			also(f.terms("audit_uses.field = ? AND text = ?", column, text))
		}
	}
	if q.Target != "" {
		also(f.terms("audit_uses.field IN ('name', 'subject') AND text = ?", q.Target))
	}
	return ways, err
}

func (f *auditFind) terms(where string, args ...any) (out []auditTerm, err error) {
	var rows []auditUseRow
	err = f.db.Joins("JOIN audit_terms ON audit_terms.id = audit_uses.term").Where(where, args...).Find(&rows).Error
	for _, r := range rows {
		out = append(out, auditTerm{r.Field, r.Term, r.Uses})
	}
	return out, err
}

// newest asks the index of the rarest term. The plus keeps SQLite from another one
// (sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms").
func (f *auditFind) newest(way []auditTerm) (rows []auditRecordRow, err error) {
	slices.SortFunc(way, func(a, b auditTerm) int { return cmp.Compare(a.uses, b.uses) })
	where, args := "seq BETWEEN ? AND ?"+f.where, append([]any{f.first, f.last}, f.times...)
	for i, t := range way {
		plus := "+"
		if i == 0 {
			plus = ""
		}
		where, args = where+" AND "+plus+t.column+" = ?", append(args, t.id)
	}
	err = f.db.Where(where, args...).Order("seq DESC").Limit(f.limit).Find(&rows).Error
	return rows, err
}
