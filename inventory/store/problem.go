package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"lodge/inventory"
)

// explain gives an error of the database a kind and a sentence. Errors that have a kind, and those
// nobody outside can do anything about, pass as they are.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := inventory.Kind(err); ok {
		return err
	}
	var se sqlite3.Error
	switch {
	case errors.As(err, &se):
		return explainSQLite(path, se, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return unavailable("the disk of %s is full; free some space (%v)", path, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return unavailable("%s can't be written; check its owner, its mode and that the file system is not read-only (%v)", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return unavailable("%s can't be opened; check that its folder exists (%v)", path, err)
	}
	return err
}

// explainSQLite knows the result codes of sqlite.org/rescode.html.
func explainSQLite(path string, se sqlite3.Error, err error) error {
	switch se.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return unavailable("%s is locked by another program; end it and try again (%v)", path, err)
	case sqlite3.ErrFull:
		return unavailable("the disk of %s is full; free some space (%v)", path, err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return damaged(path, err)
	case sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return unavailable("%s can't be written; check its owner, its mode and that the file system is not read-only (%v)", path, err)
	case sqlite3.ErrIoErr:
		if se.SystemErrno == syscall.ENOSPC {
			return unavailable("the disk of %s is full; free some space (%v)", path, err)
		}
		return unavailable("%s can't be read or written; check the disk (%v)", path, err)
	}
	switch se.ExtendedCode {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey, sqlite3.ErrConstraintRowID:
		return &taken{err}
	}
	return err
}

// damage is a database whose contents can't be trusted.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

func damaged(path string, detail any) error {
	return damage{unavailable("%s is damaged; run 'lodged recover' to rebuild it from the copies beside the data (%v)",
		path, detail)}
}

// IsDamaged reports whether err says that the database itself is broken, and not its surroundings.
func IsDamaged(err error) bool {
	var d damage
	return errors.As(err, &d)
}

func unavailable(format string, args ...any) error {
	return inventory.Errorf(inventory.ErrUnavailable, format, args...)
}

// taken is a unique index that refused a row no check had refused before: the last line of
// defence, so its text need not be beautiful.
type taken struct{ err error }

func (t *taken) Error() string   { return fmt.Sprintf("it exists already (%v)", t.err) }
func (t *taken) Unwrap() []error { return []error{inventory.ErrExists, t.err} }
