package store

import (
	"context"
	"database/sql"
	"net/url"
	"strings"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// busyTimeout is how long a statement waits, in milliseconds, for another program that has the
// database locked: a backup tool or a curious sqlite3 shell. The agent itself never makes it wait.
const busyTimeout = "5000"

// readers is the size of the reading pool.
const readers = 4

// dataSource writes the file name as an SQLite URI (sqlite.org/uri.html), so that no character of
// a path is taken for a parameter. What is deleted or replaced is overwritten with zeros, where that
// costs no further write: parameters of operations hold secrets until they end.
func dataSource(path string, extra ...string) string {
	params := append([]string{"_journal_mode=WAL", "_synchronous=FULL", "_foreign_keys=on", "_secure_delete=FAST",
		"_busy_timeout=" + busyTimeout}, extra...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(params, "&")
}

// openDB opens the file with at most n connections that are never closed for being idle.
func openDB(path string, n int, extra ...string) (*sql.DB, error) {
	db, err := sql.Open(sqlite.DriverName, dataSource(path, extra...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// openWriter opens the one connection that writes.
func openWriter(ctx context.Context, path string) (*writer, error) {
	db, err := openDB(path, 1, "_txlock=immediate")
	if err != nil {
		return nil, err
	}
	w, err := newWriter(ctx, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	return w, nil
}

// openReader opens the pool of connections on which every write fails.
func openReader(path string) (*sql.DB, *gorm.DB, error) {
	db, err := openDB(path, readers, "_query_only=true")
	if err != nil {
		return nil, nil, err
	}
	g, err := openGorm(db, true)
	if err != nil {
		db.Close()
	}
	return db, g, err
}

func openGorm(conn gorm.ConnPool, prepare bool) (*gorm.DB, error) {
	return gorm.Open(sqlite.New(sqlite.Config{Conn: conn}), &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            prepare,
		DisableAutomaticPing:   true,
		// Errors are returned and told by those who know what was asked for.
		Logger: logger.Discard,
	})
}
