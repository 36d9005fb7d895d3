package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// versionTable is where goose notes which migrations were applied.
const versionTable = "schema_versions"

// keptCopies is how many copies made before a migration stay beside the database.
const keptCopies = 3

// prepareFile makes sure that the file is a sound database with the schema of the given migrations.
func prepareFile(ctx context.Context, c Config, files fs.FS) error {
	// SQLite would make it 0644; the WAL and its index get the mode of the database file.
	f, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := openDB(c.Path, 1, "_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	if err := quickCheck(ctx, db, c.Path); err != nil {
		return err
	}
	return migrate(ctx, db, c, files)
}

// quickCheck reads every page once, without comparing indexes with their tables.
func quickCheck(ctx context.Context, db *sql.DB, path string) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return damaged(path, verdict)
	}
	return nil
}

// migrate applies what is missing, each file in a transaction of its own: also one with a number
// below those that were applied, as two that were written side by side may land in either order. If
// we crash between two of them the next open goes on; a file that fails leaves the schema as it was
// before it.
func migrate(ctx context.Context, db *sql.DB, c Config, files fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	have, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	if have > want {
		return unavailable("%s was written by a newer lodged (schema %d, this one knows %d); start that version, or put back a copy from %s",
			c.Path, have, want, copyName(c.Path, "*"))
	}
	pending, err := p.HasPending(ctx)
	if err != nil || !pending {
		return err
	}
	if have > 0 {
		if err := keepCopy(ctx, db, c, have); err != nil {
			return fmt.Errorf("keep a copy before migrating: %w", err)
		}
	}
	results, err := p.Up(ctx)
	for _, r := range results {
		c.Log.Info("schema migrated", "file", filepath.Base(r.Source.Path), "took", r.Duration)
	}
	return withoutPartial(err)
}

// withoutPartial takes goose's wrapping off, which hides the cause from errors.As.
func withoutPartial(err error) error {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		return fmt.Errorf("migrate with %s: %w", filepath.Base(partial.Failed.Source.Path), partial.Err)
	}
	return err
}

// schemaVersion returns 0 for an empty database. It writes nothing.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	err := db.QueryRowContext(ctx,
		"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", versionTable).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	var version int64
	err = db.QueryRowContext(ctx,
		"SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied = 1").Scan(&version)
	return version, err
}

// copyName is that of the last copy made of a schema: an agent that fails to migrate and is
// restarted over and over writes the same one.
func copyName(path, version string) string { return path + ".schema" + version }

// keepCopy writes a consistent copy beside the database and removes the oldest beyond keptCopies.
// A copy that is not whole has another name, so it is never taken for one.
func keepCopy(ctx context.Context, db *sql.DB, c Config, version int64) error {
	part := c.Path + ".copying"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return err
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	name := copyName(c.Path, strconv.FormatInt(version, 10))
	if err := os.Rename(part, name); err != nil {
		return err
	}
	if err := syncFile(filepath.Dir(name)); err != nil {
		return err
	}
	c.Log.Info("database copied before migrating", "copy", name)
	return dropOldCopies(c.Path)
}

func dropOldCopies(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	var copies []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(copyName(path, ""))) {
			copies = append(copies, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.SortFunc(copies, func(a, b string) int { return modTime(b).Compare(modTime(a)) })
	for _, old := range copies[min(len(copies), keptCopies):] {
		if err := os.Remove(old); err != nil {
			return err
		}
	}
	return nil
}

func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
