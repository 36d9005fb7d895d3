package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lodge/inventory"
)

// Options of a journal.
type Options struct {
	// Key signs commits and heads. A journal keeps to the key it was begun with.
	Key ed25519.PrivateKey
	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// SegmentSize is the number of bytes after which a segment is sealed and the next one begun,
	// 8 MiB when zero.
	SegmentSize int64
	// Log gets what an operator has to see, slog.Default() when nil. No record is logged.
	Log *slog.Logger

	disk disk
}

const (
	defaultSegmentSize = 8 << 20
	// maxQueue bounds what waits while a disk hangs. It is far more than any number of callers
	// that wait for their answers.
	maxQueue = 16384
	// maxBatch bounds the bytes of records in one write.
	maxBatch = 4 << 20
	// headDelay is how much of the head's progress a power failure may take back. What is then
	// behind the head is still signed in the segment.
	headDelay = time.Second
)

// A Journal is an open audit journal. Its methods may be called from many goroutines.
type Journal struct {
	dir  string
	now  func() time.Time
	log  *slog.Logger
	lock *os.File
	// public is the half of the key that Verify needs, for who wants to note it down.
	public ed25519.PublicKey

	wake chan struct{} // holds a token while there may be work; closed never
	done chan struct{} // closed when the commit loop has ended

	mu     sync.Mutex // guards what follows; held for moments only, never during disk work
	queue  []*request
	closed bool
	index  []segment     // acknowledged state; the last one is open
	head   Head          // acknowledged state
	grown  chan struct{} // closed and replaced with every commit
}

// request is one Append on its way.
type request struct {
	record []byte
	at     time.Time
	seq    int64
	done   chan error // has room for one, so that answering never waits
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
	w, sealed, cut, err := recoverWriter(dir, o)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("open the audit journal: %w", err)
	}
	j := &Journal{dir: dir, now: o.Now, log: o.Log, lock: l, head: w.last, public: o.Key.Public().(ed25519.PublicKey),
		wake: make(chan struct{}, 1), done: make(chan struct{}), grown: make(chan struct{})}
	j.index = append(sealed, w.segment)
	go j.run(w)
	if cut != nil {
		if err := j.noteCut(cut); err != nil {
			j.Close()
			return nil, err
		}
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
	text, err := encodeRecord(r)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, inventory.Errorf(inventory.ErrUnavailable, "the audit journal was not asked: %w", err)
	}
	q := &request{record: text, at: r.At.UTC(), done: make(chan error, 1)}
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

// Head returns how far the journal goes, to show or to keep elsewhere.
func (j *Journal) Head() Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head
}

// PublicKey is what the journal is to be verified with: to be noted down away from the host.
func (j *Journal) PublicKey() ed25519.PublicKey { return j.public }

// Close waits for the records that were already given, makes the head durable and gives back the
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
