package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// writer holds the open segment and the file checkpoint. After Open only the commit loop touches it.
type writer struct {
	dir    string
	disk   disk
	key    ed25519.PrivateKey
	keys   []KeyLink // of the journal so far; the last is key's
	origin string
	now    func() time.Time
	log    *slog.Logger
	limit  int64

	segment segment   // what is acknowledged of the open segment
	prev    *extent   // what its header says of the one before
	sum     hash.Hash // over its first segment.size bytes
	file    file      // nil after an fsync failed, until the next segment was made
	edge    edge      // of the tree over all acknowledged records
	last    Checkpoint
	buf     []byte
	payload []byte

	// broken says that the file may hold bytes behind segment.size. They have to go before
	// anything is written.
	broken bool
	// poisoned says that an fsync of the file failed: the kernel may have dropped what was written,
	// and a second fsync would succeed without having written it. Nothing is written there again.
	poisoned bool

	head      file // the file checkpoint
	headStale bool // its last write failed
	headDirty bool // written but not yet durable
	headDue   time.Time

	due     time.Time // when half the time of the last write has gone by; see gather
	reserve reserve
}

// commit makes the batch durable and sets its numbers. An empty batch makes a checkpoint and no
// more. When the open segment is full it is sealed first, when it is poisoned it is left; either
// way what there is of it is returned.
//
// If we crash before the fdatasync returns, nobody was told: recovery keeps the batch when its
// checkpoint is whole and cuts it off otherwise. If we crash between fdatasync and the file
// checkpoint, the segment is ahead of that, which is in order: its checkpoint is signed.
func (w *writer) commit(batch []*request) (left *segment, err error) {
	if err := w.repair(); err != nil && !w.poisoned {
		return nil, err
	}
	if w.poisoned || w.segment.sealed || w.segment.size >= w.limit && w.segment.last >= w.segment.first {
		if left, err = w.rotate(); err != nil {
			return nil, err
		}
	}
	next, tree := w.build(batch)
	c, sum := w.checkpoint(tree)
	if err := w.write(); err != nil {
		return left, err
	}
	next.size = w.segment.size + int64(len(w.buf))
	w.segment, w.sum, w.edge, w.last = next, sum, tree, c
	if err := w.writeHead(); err != nil {
		// The batch is durable and signed, so it is acknowledged. The next one is refused unless
		// the file can be written then.
		w.log.Error("the checkpoint of the audit journal can't be written", "error", err)
	}
	return left, nil
}

// build writes the batch's events to buf and returns the state after them.
func (w *writer) build(batch []*request) (next segment, tree edge) {
	next, tree, w.buf = w.segment, w.edge.clone(), w.buf[:0]
	for _, q := range batch {
		q.seq = tree.size + 1
		w.payload = payload(w.payload[:0], q.seq, q.record)
		w.buf = appendFrame(w.buf, frameEvent, w.payload)
		tree.add(tlog.RecordHash(w.payload))
		next.times.add(q.at)
	}
	next.last = tree.size
	return next, tree
}

// checkpoint adds one to buf and returns it with the running hash behind it.
func (w *writer) checkpoint(tree edge) (c Checkpoint, sum hash.Hash) {
	sum = clone(w.sum)
	sum.Write(w.buf)
	c = Checkpoint{Origin: w.origin, Size: tree.size, Root: tree.root(), At: w.now().UTC().Round(0),
		Segment: w.segment.first, Offset: w.segment.size + int64(len(w.buf))}
	sum.Sum(c.Sum[:0])
	c.sign(w.key)
	events := len(w.buf)
	w.buf = appendFrame(w.buf, frameCheckpoint, c.Note)
	sum.Write(w.buf[events:])
	return c, sum
}

func clone(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		return sha256.New() // crypto/sha256 always clones; a wrong sum would only fail Verify
	}
	return c
}

// write appends buf and makes it durable. On failure it takes back what may have been written.
func (w *writer) write() error {
	// A file of another size was changed by somebody else. Writing over that would hide it.
	info, err := os.Stat(filepath.Join(w.dir, w.segment.name()))
	if err != nil {
		return err
	}
	if info.Size() != w.segment.size {
		return fmt.Errorf("segment %s has %d bytes instead of %d; somebody else changed it, verify the journal",
			w.segment.name(), info.Size(), w.segment.size)
	}
	w.broken = true
	began := time.Now()
	if _, err = w.file.WriteAt(w.buf, w.segment.size); err != nil {
		return errors.Join(err, w.repair())
	}
	if err = w.file.Datasync(); err != nil {
		w.poison()
		return err
	}
	w.broken, w.due = false, time.Now().Add(min(time.Since(began)/2, maxGather))
	return nil
}

// repair takes back what a failed write left, and brings the file checkpoint to the acknowledged
// state.
func (w *writer) repair() error {
	if w.broken && !w.poisoned {
		if err := w.file.Truncate(w.segment.size); err != nil {
			return fmt.Errorf("take back a failed write: %w", err)
		}
		if err := w.file.Datasync(); err != nil {
			w.poison()
			return fmt.Errorf("take back a failed write: %w", err)
		}
		w.broken = false
	}
	if w.headStale {
		return w.writeHead()
	}
	return nil
}

// poison gives up the open segment after a failed fsync. What lies behind the last acknowledged byte
// is cut off through another file descriptor, if that works; if not, the header of the next segment
// says which bytes count.
func (w *writer) poison() {
	w.poisoned = true
	w.file.Close()
	w.file = nil
	path := filepath.Join(w.dir, w.segment.name())
	w.log.Error("fsync of a segment of the audit journal failed; it is left, and the next one begun", "segment", w.segment.name())
	f, err := w.disk.Open(path, false)
	if err != nil {
		return
	}
	defer f.Close()
	if f.Truncate(w.segment.size) == nil {
		f.Datasync()
	}
}

// rotate seals the open segment and begins the next. One that is poisoned stays without a seal.
//
// If we crash, or the disk is full, after the seal, the sealed segment is the last one; the next
// commit or the next Open begins the new one.
func (w *writer) rotate() (*segment, error) {
	if !w.segment.sealed && !w.poisoned {
		if err := w.seal(); err != nil {
			return nil, err
		}
	}
	left := w.segment
	if err := w.begin(w.extent()); err != nil {
		return nil, err
	}
	if left.last < left.first {
		return nil, nil
	}
	return &left, nil
}

func (w *writer) seal() error {
	s := seal{extent: *w.extent(), Root: w.edge.root()}
	w.buf = appendFrame(w.buf[:0], frameSeal, encodeJSON(s))
	c, sum := w.checkpoint(w.edge)
	if err := w.write(); err != nil {
		return err
	}
	w.segment.size += int64(len(w.buf))
	w.segment.sealed, w.sum, w.last = true, sum, c
	if err := w.writeHead(); err != nil {
		w.log.Error("the checkpoint of the audit journal can't be written", "error", err)
	}
	w.syncHead()
	return nil
}

// extent is that of the open segment up to the last acknowledged byte.
func (w *writer) extent() *extent {
	e := &extent{First: w.segment.first, Last: w.segment.last, Bytes: w.segment.size,
		From: w.segment.times.from, To: w.segment.times.to}
	w.sum.Sum(e.SHA256[:0])
	return e
}

// begin makes the segment that follows the last record.
func (w *writer) begin(prev *extent) error {
	if prev != nil && prev.Last < prev.First {
		prev = w.prev // it holds no record, so the new one takes its place and name
	}
	h := header{Version: formatVersion, Origin: w.origin, First: w.edge.size + 1, At: w.now().UTC().Round(0),
		Keys: w.keys, Edge: append([]tlog.Hash{}, w.edge.roots...), Prev: prev}
	f, s, err := w.createSegment(h)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.segment, w.prev, w.broken, w.poisoned = f, s, prev, false, false
	return nil
}

// changeKey adds the record that names the next key, signed by this one, and goes on with the next.
func (w *writer) changeKey(q *request, next ed25519.PrivateKey) (left *segment, err error) {
	link := newLink(w.origin, w.key, next.Public().(ed25519.PublicKey))
	if q.record, err = encodeRecord(rotation(q.at, q.principal, link)); err != nil {
		return nil, err
	}
	if left, err = w.commit([]*request{q}); err != nil {
		return left, err
	}
	w.key, w.keys = next, append(slices.Clone(w.keys), link)
	return left, nil
}

// writeHead writes the file checkpoint without waiting for the disk; syncHead does that once in a
// while.
func (w *writer) writeHead() error {
	w.headStale = true
	if _, err := w.head.WriteAt(pad(w.last.Note), 0); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	w.headStale = false
	if !w.headDirty {
		w.headDirty, w.headDue = true, time.Now().Add(headDelay)
	}
	return nil
}

func (w *writer) syncHead() {
	if !w.headDirty {
		return
	}
	w.headDirty = false
	if err := w.head.Datasync(); err != nil {
		w.headStale = true
		w.log.Error("the checkpoint of the audit journal can't be made durable", "error", err)
	}
}

func (w *writer) close() {
	w.syncHead()
	for _, f := range []io.Closer{w.head, w.file} {
		if f != nil {
			f.Close()
		}
	}
}
