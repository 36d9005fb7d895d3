package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"sort"

	_ "github.com/mattn/go-sqlite3"
)

// raw opens the database file beside the store.
func (b *bench) raw() *sql.DB {
	b.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+b.path+"?_busy_timeout=5000")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { db.Close() })
	return db
}

// dump returns every row of every table as text.
func (b *bench) dump() []string {
	b.t.Helper()
	db := b.raw()
	defer db.Close()
	var out []string
	for _, table := range tables(b) {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			b.t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				b.t.Fatal(err)
			}
			line := table
			for i, c := range cells {
				line += fmt.Sprintf(" %s=%v", columns[i], *c.(*any))
			}
			out = append(out, line)
		}
		rows.Close()
	}
	sort.Strings(out)
	return out
}

func tables(b *bench) []string {
	b.t.Helper()
	db := b.raw()
	defer db.Close()
	rows, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			b.t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// checkEvents fails unless the events are numbered 1, 2, 3...
func (b *bench) checkEvents() int {
	b.t.Helper()
	events, err := b.Events(context.Background(), 0, 1_000_000)
	if err != nil {
		b.t.Fatal(err)
	}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			b.t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
	}
	return len(events)
}
