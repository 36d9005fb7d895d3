// Package store keeps the inventory in one SQLite database: hosts, containers as desired with
// their history, addresses, operations, changes, deadlines, events, images, snapshots, sessions.
// It is the only importer of gorm, and it implements what the gate and the other packages ask for
// as small interfaces.
//
// # What is guaranteed
//
// Every method that changes something is one transaction, durable when it returns nil (WAL with
// synchronous=FULL: the commit is an fsync). An error means that nothing of it is there, with one
// exception: if the fsync itself fails, the disk alone knows.
//
// One connection writes, all writers take turns on it, so a check followed by a write in the same
// transaction can't be overtaken. Reads use a pool of connections that can't write and never wait
// for a writer.
//
// # How it is built
//
// Row types are unexported and apart from the nouns: two short functions per table translate. Row
// fields and table columns are compared by a test. State changes name the state they start from
// (WHERE id = ? AND revision = ?) and look at the number of rows. There is no Save, AutoMigrate,
// hook, soft delete or preload: gorm is used for scanning and building statements only.
//
// What a caller may act on carries an error kind: ErrNotFound, ErrExists, ErrBusy, ErrStale,
// ErrState, ErrQuota, and ErrUnavailable with a sentence when the database itself is the problem
// (disk full, damaged, read-only, locked by another program, written by a newer version).
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"lodge/inventory"
	"lodge/migrations"
)

// Config says where the database is and what the store may use.
type Config struct {
	Path string           // of the database file; it is made if it is missing, its folder is not
	Log  *slog.Logger     // nil: slog.Default()
	Now  func() time.Time // nil: time.Now
}

// A Store is an open database. Its methods may be called from many goroutines.
type Store struct {
	path   string
	log    *slog.Logger
	now    func() time.Time
	writer *writer
	reader *gorm.DB
	pool   *sql.DB // under reader, to close it

	host   atomic.Value // inventory.HostID of this machine, once EnsureHost said so
	closed atomic.Bool

	directory directoryCache

	mu    sync.Mutex // guards pokes; nothing else is taken while it is held
	pokes map[chan struct{}]struct{}
}

// Open opens the database, makes it if there is none, checks it, and brings its schema up to
// date after keeping a copy. Errors are ErrUnavailable with a sentence that says what to do.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := prepareFile(ctx, c, migrations.SQLite()); err != nil {
		return nil, explain(c.Path, err)
	}
	w, err := openWriter(ctx, c.Path)
	if err != nil {
		return nil, explain(c.Path, err)
	}
	pool, reader, err := openReader(c.Path)
	if err != nil {
		w.close()
		return nil, explain(c.Path, err)
	}
	s := &Store{path: c.Path, log: c.Log, now: c.Now, writer: w, reader: reader, pool: pool,
		pokes: map[chan struct{}]struct{}{}}
	s.host.Store(inventory.HostID(""))
	return s, nil
}

// Close waits for a running write and closes the database; twice is harmless. A process that dies
// without it loses nothing that was acknowledged.
func (s *Store) Close() error {
	s.closed.Store(true)
	return explain(s.path, errors.Join(s.pool.Close(), s.writer.close()))
}

// A transaction is one turn of the writer. Everything a method does passes through its db; the
// reader inside a transaction would see the state before it.
type transaction struct {
	db      *gorm.DB
	store   *Store
	seq     map[inventory.HostID]int64 // last event number given, per host
	durable bool
}

// write runs fn as one transaction. fn's context carries ctx's values but is never cancelled:
// writes are short, and a half-cancelled statement would leave the outcome unknown.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, t *transaction) error) error {
	return s.writeAs(ctx, &transaction{store: s, durable: true}, fn)
}

// writeLazily is write without the fsync: after a power cut the newest of these may be missing,
// never half there, and never anything that write acknowledged.
func (s *Store) writeLazily(ctx context.Context, fn func(ctx context.Context, t *transaction) error) error {
	return s.writeAs(ctx, &transaction{store: s}, fn)
}

func (s *Store) writeAs(ctx context.Context, t *transaction,
	fn func(ctx context.Context, t *transaction) error) error {
	t.seq = map[inventory.HostID]int64{}
	err := s.writer.do(ctx, t.durable, func(ctx context.Context, db *gorm.DB) error {
		t.db = db
		return fn(ctx, t)
	})
	if err != nil {
		return explain(s.path, err)
	}
	if len(t.seq) > 0 {
		s.poke()
	}
	return nil
}

// read returns the reading side and a context for it. The context is not cancelled half-way: the
// driver starts a goroutine per query for one that can be, and no read takes longer than a few
// milliseconds.
func (s *Store) read(ctx context.Context) (context.Context, *gorm.DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	if s.closed.Load() {
		return nil, nil, errClosed
	}
	return context.WithoutCancel(ctx), s.reader, nil
}
