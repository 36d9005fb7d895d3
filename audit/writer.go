package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// writer holds the open segment and the head. After Open only the commit loop touches it.
type writer struct {
	dir   string
	disk  disk
	key   ed25519.PrivateKey
	now   func() time.Time
	log   *slog.Logger
	limit int64

	segment segment   // what is acknowledged of the open segment
	sum     hash.Hash // over its first segment.size bytes
	file    file      // nil while the next segment could not be made
	last    Head      // of the last acknowledged entry
	buf     []byte

	// broken says that the file may hold bytes behind segment.size. They have to go before
	// anything is written.
	broken bool

	head      file
	headStale bool // the last write of the head failed
	headDirty bool // written but not yet durable
	headDue   time.Time
}

// commit makes the batch durable and sets its seqs. When the open segment is full it is sealed
// first and returned.
//
// If we crash before the fdatasync returns, nobody was told: recovery keeps the batch when its
// commit line is whole and cuts it off otherwise. If we crash between fdatasync and head, the
// segment is ahead of the head, which is in order: its commit is signed.
func (w *writer) commit(batch []*request) (sealed *segment, err error) {
	if err := w.repair(); err != nil {
		return nil, err
	}
	if w.segment.sealed || w.segment.size >= w.limit && w.segment.last >= w.segment.first {
		if sealed, err = w.rotate(); err != nil {
			return nil, err
		}
	}
	next, sum, last := w.build(batch)
	if err := w.write(); err != nil {
		return sealed, err
	}
	next.size = w.segment.size + int64(len(w.buf))
	w.segment, w.sum, w.last = next, sum, last
	if err := w.writeHead(); err != nil {
		// The batch is durable and signed, so it is acknowledged. The next one is refused unless
		// the head can be written then.
		w.log.Error("the head of the audit journal can't be written", "error", err)
	}
	return sealed, nil
}

// build writes the batch's lines to buf and returns the state after them.
func (w *writer) build(batch []*request) (next segment, sum hash.Hash, last Head) {
	next, last, w.buf = w.segment, w.last, w.buf[:0]
	for _, q := range batch {
		q.seq = last.Seq + 1
		w.buf, last.Hash = appendEntry(w.buf, q.seq, last.Hash, q.record)
		last.Seq = q.seq
		next.times.add(q.at)
	}
	next.last, next.hash = last.Seq, last.Hash
	sum = clone(w.sum)
	sum.Write(w.buf)
	last.At = w.now().UTC().Round(0)
	c := commit{Seq: last.Seq, Hash: last.Hash, At: last.At}
	sum.Sum(c.Bytes[:0])
	entries := len(w.buf)
	w.buf = appendSigned(w.buf, "commit", commitDomain, c, w.key)
	sum.Write(w.buf[entries:])
	return next, sum, last
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
	if _, err = w.file.WriteAt(w.buf, w.segment.size); err == nil {
		err = w.file.Datasync()
	}
	if err != nil {
		return errors.Join(err, w.repair())
	}
	w.broken = false
	return nil
}

// repair brings file and head to the acknowledged state.
//
// After a failed fdatasync the kernel has dropped the dirty pages or not, nobody knows. Cutting the
// file to what an earlier fdatasync made durable makes that moot: the dropped pages are gone from
// the file, and the cut page is written anew by the fdatasync here.
func (w *writer) repair() error {
	if w.broken {
		if err := w.file.Truncate(w.segment.size); err != nil {
			return fmt.Errorf("take back a failed write: %w", err)
		}
		if err := w.file.Datasync(); err != nil {
			return fmt.Errorf("take back a failed write: %w", err)
		}
		w.broken = false
	}
	if w.headStale {
		return w.writeHead()
	}
	return nil
}

// rotate seals the open segment and begins the next.
//
// If we crash, or the disk is full, after the seal, the sealed segment is the last one; the next
// commit or the next Open begins the new one.
func (w *writer) rotate() (*segment, error) {
	if !w.segment.sealed {
		s := seal{First: w.segment.first, Last: w.segment.last, Hash: w.segment.hash,
			From: w.segment.times.from, To: w.segment.times.to}
		w.buf = appendPlain(w.buf[:0], "seal", s)
		if err := w.write(); err != nil {
			return nil, err
		}
		w.segment.size += int64(len(w.buf))
		w.segment.sealed = true
		w.syncHead()
	}
	sealed := w.segment
	if err := w.begin(); err != nil {
		return nil, err
	}
	return &sealed, nil
}

// begin makes the segment that follows the last entry.
func (w *writer) begin() error {
	h := header{Version: formatVersion, First: w.last.Seq + 1, Prev: w.last.Hash,
		Key: PublicKeyText(w.key.Public().(ed25519.PublicKey))}
	f, text, err := createSegment(w.disk, w.dir, h)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.sum = f, sha256.New()
	w.sum.Write(text)
	w.segment = segment{first: h.First, last: w.last.Seq, hash: w.last.Hash, size: int64(len(text))}
	return nil
}

// writeHead writes the head without waiting for the disk; syncHead does that once in a while.
func (w *writer) writeHead() error {
	w.headStale = true
	if _, err := w.head.WriteAt(encodeHead(w.last, w.key), 0); err != nil {
		return fmt.Errorf("write the head: %w", err)
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
		w.log.Error("the head of the audit journal can't be made durable", "error", err)
	}
}

func (w *writer) close() {
	w.syncHead()
	w.head.Close()
	if w.file != nil {
		w.file.Close()
	}
}
