package store_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm/schema"

	"lodge/inventory/store"
)

type column struct {
	Name     string
	Nullable bool
	Integer  bool
}

// A column without a field is never written, a field without a column breaks every query, and a
// NULL can only be read where the field has room for it.
func TestRowsAreTheTables(t *testing.T) {
	b := open(t)
	seen := []string{"schema_versions"}
	for _, row := range store.Rows {
		parsed, err := schema.Parse(row, new(sync.Map), schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, parsed.Table)
		var fields []column
		for _, f := range parsed.Fields {
			kind := f.FieldType.Kind()
			fields = append(fields, column{f.DBName, kind == reflect.Pointer || kind == reflect.Struct, isInteger(f.IndirectFieldType)})
		}
		columns := b.columns(parsed.Table)
		byName := func(x, y column) int { return strings.Compare(x.Name, y.Name) }
		slices.SortFunc(fields, byName)
		slices.SortFunc(columns, byName)
		if diff := cmp.Diff(columns, fields); diff != "" {
			t.Errorf("%s: columns (-) and fields (+) differ: %s", parsed.Table, diff)
		}
	}
	slices.Sort(seen)
	if diff := cmp.Diff(tables(b), seen); diff != "" {
		t.Error("tables without row types:", diff)
	}
}

func isInteger(t reflect.Type) bool {
	return t.Kind() != reflect.String && t.Kind() != reflect.Struct
}

func (b *bench) columns(table string) []column {
	b.t.Helper()
	rows, err := b.raw().Query("SELECT name, type, \"notnull\" FROM pragma_table_info(?)", table)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var out []column
	for rows.Next() {
		var name, kind string
		var notNull bool
		if err := rows.Scan(&name, &kind, &notNull); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, column{name, !notNull, kind == "INTEGER"})
	}
	return out
}

// Every table is STRICT: SQLite would else store text in an INTEGER column without a word.
func TestTablesAreStrict(t *testing.T) {
	b := open(t)
	var loose []string
	rows, err := b.raw().Query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%' AND name <> 'schema_versions'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		rows.Scan(&name)
		loose = append(loose, name)
	}
	if len(loose) > 0 {
		t.Error(loose)
	}
}
