package evidence

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// A Chapter is one part of what evidence tells.
type Chapter struct {
	Name  string // in the JSON: "sessions"
	Title string // for people
	// Tell reads the case; it must not change it.
	Tell func(ctx context.Context, c *Case) (Content, error)
}

// Content is what a chapter tells.
type Content struct {
	Notes  []string // what has to be known to read it
	Tables []Table
	Files  []File // that go into the folder beside it
}

// A Table has one row for each thing told.
type Table struct {
	Title   string
	Columns []string
	Rows    []Row
}

// A Row has a cell for each column, and the numbers of the records it rests on.
type Row struct {
	Cells   []string
	Records []int64
}

// Chapters are those every host has.
func Chapters() []Chapter {
	return []Chapter{
		{"identity", "Identity and owner", identity},
		{"changes", "Changes, plans and approvals", changes},
		{"access", "Who could, and who did", access},
		{"sessions", "Sessions", sessions},
		{"operations", "Operations", operations},
		{"exceptions", "Exceptions", exceptions},
		{"proof", "Proof", proof},
	}
}

func (t *Table) add(records []int64, cells ...string) {
	t.Rows = append(t.Rows, Row{cells, records})
}

// MarshalJSON writes rows as objects with a member for each column.
func (t Table) MarshalJSON() ([]byte, error) {
	rows := []map[string]any{}
	for _, r := range t.Rows {
		row := map[string]any{"records": r.Records}
		for i, cell := range r.Cells {
			row[strings.ReplaceAll(t.Columns[i], " ", "_")] = cell
		}
		rows = append(rows, row)
	}
	return json.Marshal(map[string]any{"title": t.Title, "rows": rows})
}

// when writes a time; "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
