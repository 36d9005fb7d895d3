package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
)

// What may be cut off when a journal is opened after a crash:
//
// Append returns only after an fdatasync of a write that ends in a signed commit line. So every
// acknowledged record has such a line behind it, and bytes behind the last signed commit line were
// never acknowledged: their writer died, or is dead now. They, and they alone, are cut off, and a
// record of verb audit.recover says how many there were.
//
// That reasoning fails when the last commit line itself was damaged later: its records would look
// unacknowledged. The head finds that: it is written after the fdatasync and before Append
// returns, so it never speaks of a record that isn't durable. A head that speaks of more than the
// last commit means that acknowledged records are damaged or gone, and nothing is touched.

// cut says what recovery took away.
type cut struct {
	Segment string `json:"segment"`
	Bytes   int64  `json:"bytes"`
	SHA256  Digest `json:"sha256"`
}

// recoverWriter reads the journal's state, brings it into order and returns a writer for it, the
// sealed segments, and what was cut off, if anything.
func recoverWriter(dir string, o Options) (w *writer, sealed []segment, c *cut, err error) {
	w = &writer{dir: dir, disk: o.disk, key: o.Key, now: o.Now, log: o.Log, limit: o.SegmentSize}
	defer func() {
		if err != nil {
			w.abandon()
		}
	}()
	if err := removeUnfinished(dir); err != nil {
		return w, nil, nil, err
	}
	firsts, err := listSegments(dir)
	if err != nil {
		return w, nil, nil, err
	}
	head, err := readHead(dir, o.Key.Public().(ed25519.PublicKey), 0)
	hasHead := !errors.Is(err, fs.ErrNotExist)
	if err != nil && hasHead {
		return w, nil, nil, refuse("%w", err)
	}
	if len(firsts) == 0 {
		if hasHead {
			return w, nil, nil, refuse("all segments are gone, but a head vouches for records up to %d", head.Seq)
		}
		return w, nil, nil, w.create()
	}
	if sealed, err = w.readIndex(firsts); err != nil {
		return w, nil, nil, err
	}
	c, err = w.resume(firsts[len(firsts)-1], head, hasHead)
	if err == nil && w.segment.sealed {
		sealed = append(sealed, w.segment)
		err = w.begin()
	}
	return w, sealed, c, err
}

// refuse makes the error for a journal that nothing may be added to.
func refuse(format string, args ...any) error {
	return inventory.Errorf(inventory.ErrState, "%w; it is left as it is. Run 'lodge audit verify'; "+
		"to go on without it, move its folder away and keep it as evidence", fmt.Errorf(format, args...))
}

func (w *writer) abandon() {
	if w.file != nil {
		w.file.Close()
	}
	if w.head != nil {
		w.head.Close()
	}
}

// removeUnfinished takes away files that a crash kept from getting their names.
func removeUnfinished(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), segmentSuffix+".tmp") || f.Name() == headName+".tmp" {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// create begins a journal: the first segment, then the head. A crash between leaves a segment
// without records, which resume takes for what it is.
func (w *writer) create() error {
	if err := w.begin(); err != nil {
		return err
	}
	w.last.At = w.now().UTC().Round(0)
	return w.createHead()
}

func (w *writer) createHead() error {
	path := filepath.Join(w.dir, headName)
	f, err := w.disk.Open(path+".tmp", true)
	if err != nil {
		return err
	}
	w.head = f
	if err := writeDurable(f, encodeHead(w.last, w.key)); err != nil {
		return err
	}
	if err := w.disk.Rename(path+".tmp", path); err != nil {
		return err
	}
	return w.disk.SyncDir(w.dir)
}

// readIndex reads first and last lines of all segments but the last, and checks that they join.
func (w *writer) readIndex(firsts []int64) ([]segment, error) {
	next, key := int64(1), PublicKeyText(w.key.Public().(ed25519.PublicKey))
	var prev Digest
	var sealed []segment
	for _, first := range firsts[:len(firsts)-1] {
		h, s, err := readSealed(w.dir, first)
		if err != nil {
			return nil, refuse("%w", err)
		}
		if h.First != first || s.first != first || first != next || h.Prev != prev || h.Key != key {
			return nil, refuse("segment %s does not continue record %d", segmentName(first), next-1)
		}
		sealed = append(sealed, s)
		next, prev = s.last+1, s.hash
	}
	w.last = Head{Seq: next - 1, Hash: prev}
	return sealed, nil
}

// resume reads the last segment in full and opens it for writing.
func (w *writer) resume(first int64, head Head, hasHead bool) (*cut, error) {
	path := filepath.Join(w.dir, segmentName(first))
	lines, err := readSegment(path)
	if err != nil {
		return nil, err
	}
	c, end, err := w.check(first, lines, head, hasHead)
	if err != nil {
		return nil, err
	}
	w.segment = segment{first: first, last: c.next - 1, hash: c.prev, times: c.times, size: lines[end-1].end,
		sealed: lines[end-1].kind == lineSeal}
	w.last = Head{Seq: c.next - 1, Hash: c.prev, At: c.signed.At}
	if err := w.open(path, hasHead); err != nil {
		return nil, err
	}
	return w.cutTail(path)
}

// check judges the last segment and returns how many of its lines stay. A whole commit line with a
// wrong signature is no trace of a crash, so it counts as damage rather than as a tail to cut.
func (w *writer) check(first int64, lines []line, head Head, hasHead bool) (*checker, int, error) {
	var r Report
	c := newChecker(w.key.Public().(ed25519.PublicKey), &r)
	c.next, c.prev = w.last.Seq+1, w.last.Hash
	c.heads = []Head{head}
	end := committed(lines)
	if end < len(lines) && lines[end].kind == lineSeal {
		end = len(lines) // nothing may follow a seal, and the checker says so
	}
	c.segment(first, lines[:end], true)
	if len(r.Problems) > 0 {
		return nil, 0, refuse("%v", r.Problems[0])
	}
	switch last := c.next - 1; {
	case !hasHead && last > 0:
		return nil, 0, refuse("the file head is missing, so that acknowledged records may be missing as well")
	case head.Seq > last:
		return nil, 0, refuse("%s missing or damaged, although acknowledged", records(last+1, head.Seq))
	}
	return c, end, nil
}

// open opens the segment and the head for writing.
func (w *writer) open(path string, hasHead bool) (err error) {
	if w.file, err = w.disk.Open(path, false); err != nil {
		return err
	}
	if !hasHead {
		return w.createHead()
	}
	if w.head, err = w.disk.Open(filepath.Join(w.dir, headName), false); err != nil {
		return err
	}
	return w.writeHead()
}

// cutTail removes what lies behind the acknowledged part, and sets the running hash.
func (w *writer) cutTail(path string) (*cut, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w.sum = sha256.New()
	if _, err := io.CopyN(w.sum, f, w.segment.size); err != nil {
		return nil, err
	}
	rest := sha256.New()
	n, err := io.Copy(rest, f)
	if err != nil || n == 0 {
		return nil, err
	}
	c := &cut{Segment: w.segment.name(), Bytes: n}
	rest.Sum(c.SHA256[:0])
	w.broken = true
	return c, w.repair()
}

// noteCut records that recovery took something away.
func (j *Journal) noteCut(c *cut) error {
	j.log.Warn("the audit journal had an unfinished write, which was never acknowledged; it was cut off",
		"segment", c.Segment, "bytes", c.Bytes, "sha256", c.SHA256)
	detail, _ := json.Marshal(c)
	_, err := j.Append(context.Background(), inventory.Record{
		Kind: inventory.RecordFact, Verb: "audit.recover", Principal: inventory.System("start"),
		Subject: "audit", Result: "an unfinished write was cut off", Detail: detail})
	return err
}
