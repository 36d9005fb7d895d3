package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lodge/inventory"
)

// Options of a journal.
type Options struct {
	// Key signs checkpoints. It has to be the journal's present one: see [Journal.Rotate].
	Key ed25519.PrivateKey
	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// SegmentSize is the number of bytes after which a segment is sealed and the next one begun,
	// 8 MiB when zero.
	SegmentSize int64
	// Heartbeat is the time after which a journal that nobody writes to gets a checkpoint, so that a
	// gap in time shows; ten minutes when zero.
	Heartbeat time.Duration
	// Reserve is the number of bytes kept for a full disk, none when zero. What Freeing accepts may
	// use them; all else is refused meanwhile.
	Reserve int64
	Freeing func(inventory.Record) bool
	// Stamp, when set, completes each record before it is written: host, boot, monotonic clock.
	Stamp func(*inventory.Record)
	// Prior is what a new journal goes on from; its first record names it.
	Prior *Prior
	// Log gets what an operator has to see, slog.Default() when nil. No record is logged.
	Log *slog.Logger

	disk disk
}

const (
	defaultSegmentSize = 8 << 20
	defaultHeartbeat   = 10 * time.Minute
	// maxQueue bounds what waits while a disk hangs. It is far more than any number of callers
	// that wait for their answers.
	maxQueue = 16384
	// maxBatch bounds the bytes of records in one write.
	maxBatch = 4 << 20
	// maxGather bounds what a slow disk makes callers wait for company.
	maxGather = 2 * time.Millisecond
	// headDelay is how much of the head's progress a power failure may take back. What is then
	// behind the head is still signed in the segment.
	headDelay = time.Second
	// stampDelay is the most that may lie between what a record is of and its monotonic time.
	stampDelay = time.Second / 2
)

// A Journal is an open audit journal. Its methods may be called from many goroutines.
type Journal struct {
	dir     string
	origin  string
	now     func() time.Time
	stamp   func(*inventory.Record)
	freeing func(inventory.Record) bool
	log     *slog.Logger
	lock    *os.File

	wake chan struct{} // holds a token while there may be work; closed never
	done chan struct{} // closed when the commit loop has ended

	mu     sync.Mutex // guards what follows; held for moments only, never during disk work
	queue  []*request
	closed bool
	index  []segment  // acknowledged state; the last one is open
	last   Checkpoint // acknowledged state
	key    ed25519.PrivateKey
	grown  chan struct{} // closed and replaced with every checkpoint
}

// request is one Append on its way.
type request struct {
	record    []byte
	at        time.Time
	freeing   bool
	seq       int64
	key       ed25519.PrivateKey // the next one, for a change of key
	principal inventory.Principal
	done      chan error // has room for one, so that answering never waits
}

// Prior is a journal that another one goes on from.
type Prior struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   tlog.Hash `json:"root"`
	Folder string    `json:"folder,omitempty"` // where it was left
}

// Open opens the journal in dir, or begins one. It takes an exclusive lock (ErrBusy when another
// process has it) and brings an interrupted journal into order: see recover.go for what it may cut
// off. A journal that was changed or that misses acknowledged records is refused with ErrState.
func Open(dir string, o Options) (*Journal, error) {
	if len(o.Key) != ed25519.PrivateKeySize {
		return nil, inventory.Errorf(inventory.ErrInvalid, "the audit journal needs an Ed25519 key to sign with")
	}
	o.setDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the audit journal: %w", err)
	}
	l, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	r, err := recoverWriter(dir, o)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("open the audit journal: %w", err)
	}
	w := r.writer
	j := &Journal{dir: dir, origin: w.origin, now: o.Now, stamp: o.Stamp, freeing: o.Freeing, log: o.Log, lock: l,
		last: w.last, key: w.key,
		wake: make(chan struct{}, 1), done: make(chan struct{}), grown: make(chan struct{})}
	j.index = append(r.left, w.segment)
	go j.run(w, o.Heartbeat)
	if err := j.noteOpening(r, o.Prior); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Stamp == nil {
		o.Stamp = func(*inventory.Record) {}
	}
	if o.Freeing == nil {
		o.Freeing = func(inventory.Record) bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.disk == nil {
		o.disk = realDisk{}
	}
}

// Append adds a record and returns its number once it is durable. A zero At becomes now.
//
// ErrInvalid: the record can't be written at all. ErrUnavailable: it is not known to be durable,
// and what it was to allow must not happen. When ctx ends first the record may still get in.
func (j *Journal) Append(ctx context.Context, r inventory.Record) (int64, error) {
	if r.At.IsZero() {
		r.At = j.now()
	}
	if r.ID == "" {
		r.ID = inventory.NewID(r.At)
	}
	if r.Outcome == "" {
		r.Outcome = inventory.OutcomeOf(r.Kind, r.Result)
	}
	j.stamp(&r)
	if d := j.now().Sub(r.At); max(d, -d) > stampDelay {
		r.MonoNs = 0 // it tells of another time than this
	}
	text, err := encodeRecord(r)
	if err != nil {
		return 0, err
	}
	return j.add(ctx, &request{record: text, at: r.At.UTC(), freeing: strings.HasPrefix(r.Verb, "audit.") || j.freeing(r)})
}

// Rotate goes on with another key. A record signed with the present one names the next, and every
// checkpoint after it is signed with that. The caller keeps the next key where it will be found
// before calling; see [Keys].
func (j *Journal) Rotate(ctx context.Context, by inventory.Principal, next ed25519.PrivateKey) (int64, error) {
	if len(next) != ed25519.PrivateKeySize {
		return 0, inventory.Errorf(inventory.ErrInvalid, "the audit journal needs an Ed25519 key to sign with")
	}
	return j.add(ctx, &request{at: j.now().UTC(), key: next, principal: by})
}

// add waits for its turn and for the disk.
func (j *Journal) add(ctx context.Context, q *request) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, inventory.Errorf(inventory.ErrUnavailable, "the audit journal was not asked: %w", err)
	}
	q.done = make(chan error, 1)
	if err := j.enqueue(q); err != nil {
		return 0, err
	}
	select {
	case err := <-q.done:
		return q.seq, err
	case <-ctx.Done():
		return 0, inventory.Errorf(inventory.ErrUnavailable,
			"the audit journal did not answer in time; the record may still get in: %w", ctx.Err())
	}
}

func (j *Journal) enqueue(q *request) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return inventory.Errorf(inventory.ErrUnavailable, "the audit journal is closed; the agent is stopping")
	}
	if len(j.queue) >= maxQueue {
		return inventory.Errorf(inventory.ErrUnavailable,
			"%d records wait for the audit journal's disk; try again when it answers", len(j.queue))
	}
	j.queue = append(j.queue, q)
	j.signal()
	return nil
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Latest returns the newest checkpoint, to show or to keep elsewhere.
func (j *Journal) Latest() Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Origin names the journal; no other has the same.
func (j *Journal) Origin() string { return j.origin }

// PublicKey is what the journal is to be verified with: to be noted down away from the host.
func (j *Journal) PublicKey() ed25519.PublicKey {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.key.Public().(ed25519.PublicKey)
}

// Close waits for the records that were already given, makes the checkpoint durable and gives back the
// lock. Later Appends are refused.
func (j *Journal) Close() error {
	j.mu.Lock()
	first := !j.closed
	j.closed = true
	j.signal()
	j.mu.Unlock()
	<-j.done
	if !first {
		return nil
	}
	return j.lock.Close()
}
