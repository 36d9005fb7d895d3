package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"gorm.io/gorm"
)

// A writer is the one connection that changes the database. It begins and commits by itself and
// keeps every statement prepared on its connection: database/sql and gorm would prepare each
// statement anew in each transaction, which costs more than running it.
type writer struct {
	turn chan struct{} // holds a token while somebody writes; guards what follows

	closed bool
	db     *sql.DB
	conn   *statements
	gorm   *gorm.DB
}

var errClosed = unavailable("the store is closed: the agent is stopping")

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	kept := &statements{conn: conn, prepared: map[string]*sql.Stmt{}}
	g, err := openGorm(kept, false)
	if err != nil {
		return nil, err
	}
	return &writer{turn: make(chan struct{}, 1), db: db, conn: kept, gorm: g}, nil
}

// do waits for its turn and runs fn in an immediate transaction: the write lock is taken at once,
// so a read in it never has to be upgraded, which SQLite would refuse if another program wrote
// meanwhile. ctx bounds the waiting only.
func (w *writer) do(ctx context.Context, durable bool, fn func(context.Context, *gorm.DB) error) error {
	if ctx.Err() != nil { // select would still take a free turn, every other time
		return context.Cause(ctx)
	}
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.turn }()
	if w.closed {
		return errClosed
	}
	ctx = context.WithoutCancel(ctx)
	if !durable {
		// In WAL mode, NORMAL leaves the commit to the next fsync (sqlite.org/pragma.html#pragma_synchronous).
		if err := w.conn.run(ctx, "PRAGMA synchronous=NORMAL"); err != nil {
			return err
		}
		defer w.conn.run(ctx, "PRAGMA synchronous=FULL")
	}
	return w.transact(ctx, fn)
}

func (w *writer) transact(ctx context.Context, fn func(context.Context, *gorm.DB) error) (err error) {
	if err := w.conn.run(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			// Fails if the error has rolled back already (disk full, I/O error); then all is well too.
			w.conn.run(ctx, "ROLLBACK")
		}
	}()
	if err := fn(ctx, w.gorm); err != nil {
		return err
	}
	// If we crash before the commit's fsync returns, the next open sees all of it or nothing.
	if err := w.conn.run(ctx, "COMMIT"); err != nil {
		return err
	}
	committed = true
	return nil
}

// close waits for its turn; whoever writes later is told. Closing twice is harmless.
func (w *writer) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if w.closed {
		return nil
	}
	w.closed = true
	w.conn.forget()
	return errors.Join(w.conn.conn.Close(), w.db.Close())
}

// maxPrepared bounds the statements kept; there are about a hundred different ones.
const maxPrepared = 512

// statements is a gorm.ConnPool over one connection that prepares every statement once.
type statements struct {
	conn     *sql.Conn
	mu       sync.Mutex // guards prepared; held while a statement is being prepared
	prepared map[string]*sql.Stmt
}

func (c *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stmt, ok := c.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := c.conn.PrepareContext(ctx, query)
	if err == nil && len(c.prepared) < maxPrepared {
		c.prepared[query] = stmt
	}
	return stmt, err
}

// run executes a statement without parameters or result.
func (c *statements) run(ctx context.Context, query string) error {
	_, err := c.ExecContext(ctx, query)
	return err
}

func (c *statements) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for query, stmt := range c.prepared {
		stmt.Close()
		delete(c.prepared, query)
	}
}

func (c *statements) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return c.conn.PrepareContext(ctx, query)
}

func (c *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (c *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (c *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := c.prepare(ctx, query)
	if err != nil {
		return c.conn.QueryRowContext(ctx, query, args...) // fails the same way, and Scan says so
	}
	return stmt.QueryRowContext(ctx, args...)
}
