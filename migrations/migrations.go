// Package migrations holds the history of the database schema as plain SQL: one numbered file per
// change, applied in order and never edited once released. There is no way down; the way back is
// the copy the store makes before it migrates. `sqlite3 ROOT/lodge.db .schema` shows their sum.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql
var files embed.FS

// SQLite returns the migrations for SQLite, numbered files at the top.
func SQLite() fs.FS {
	sub, err := fs.Sub(files, "sqlite")
	if err != nil {
		panic(err) // the folder is embedded above; the name can't be wrong at run time
	}
	return sub
}
