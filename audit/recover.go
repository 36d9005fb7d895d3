package audit

import (
	"bytes"
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
// Append returns only after an fdatasync of a write that ends in a signed checkpoint. So every
// acknowledged record has one behind it, and bytes behind the last checkpoint were never
// acknowledged: their writer died, or is dead now. They, and they alone, are cut off, and a record
// of verb audit.recover says how many there were.
//
// That reasoning fails when the last checkpoint itself was damaged later: its records would look
// unacknowledged. The file checkpoint finds that: it is written after the fdatasync and before
// Append returns, so it never speaks of a record that isn't durable. One that speaks of more than
// the last checkpoint of the segments means that acknowledged records are damaged or gone, and
// nothing is touched.

// cut says what recovery took away.
type cut struct {
	Segment string `json:"segment"`
	Bytes   int64  `json:"bytes"`
	SHA256  Digest `json:"sha256"`
}

// recovered is a journal brought into order.
type recovered struct {
	writer *writer
	left   []segment // all but the last
	cut    *cut      // nil when nothing was taken away
}

// recoverWriter reads the journal's state and brings it into order, or begins a journal.
func recoverWriter(dir string, o Options) (r recovered, err error) {
	w := &writer{dir: dir, disk: o.disk, key: o.Key, now: o.Now, log: o.Log, limit: o.SegmentSize,
		reserve: reserve{path: filepath.Join(dir, reserveName), size: o.Reserve}}
	r.writer = w
	defer func() {
		if err != nil {
			w.abandon()
		}
	}()
	if hasOldSegments(dir) {
		return r, inventory.Errorf(inventory.ErrState,
			"%s holds a journal of version 1, which this version does not write; move the folder away and keep it", dir)
	}
	if err := removeUnfinished(dir); err != nil {
		return r, err
	}
	firsts, err := listSegments(dir)
	if err != nil {
		return r, err
	}
	head, err := os.ReadFile(filepath.Join(dir, checkpointName))
	hasHead := !errors.Is(err, fs.ErrNotExist)
	if err != nil && hasHead {
		return r, err
	}
	if len(firsts) == 0 {
		if hasHead {
			return r, refuse("there is a checkpoint but no segment")
		}
		return r, w.create()
	}
	if r.left, err = w.readIndex(firsts); err != nil {
		return r, err
	}
	if r.cut, err = w.resume(firsts[len(firsts)-1], head, hasHead); err != nil {
		return r, err
	}
	if w.segment.sealed {
		left := w.segment
		if err = w.begin(w.extent()); err == nil {
			r.left = append(r.left, left)
		}
	}
	w.reserve.hold(w.disk)
	return r, err
}

// refuse makes the error for a journal that nothing may be added to.
func refuse(format string, args ...any) error {
	return inventory.Errorf(inventory.ErrState, "%w; it is left as it is. Run 'lodge audit verify'; "+
		"to go on without it, run 'lodged recover --journal', which keeps it as evidence", fmt.Errorf(format, args...))
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
		if strings.HasSuffix(f.Name(), ".tmp") {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// create begins a journal: the first segment, then the file checkpoint. A crash between leaves a
// segment without records, which resume takes for what it is.
func (w *writer) create() error {
	w.origin = "lodge.audit/" + inventory.NewID(w.now())
	w.keys = []KeyLink{{Key: PublicKeyText(w.key.Public().(ed25519.PublicKey))}}
	if err := w.begin(nil); err != nil {
		return err
	}
	w.reserve.hold(w.disk)
	return w.createHead()
}

func (w *writer) createHead() error {
	path := filepath.Join(w.dir, checkpointName)
	f, err := w.disk.Open(path+".tmp", true)
	if err != nil {
		return err
	}
	w.head = f
	if err := writeDurable(f, pad(w.last.Note)); err != nil {
		return err
	}
	if err := w.disk.Rename(path+".tmp", path); err != nil {
		return err
	}
	return w.disk.SyncDir(w.dir)
}

// readIndex reads the headers of all segments and checks that they join. Each says what the one
// before holds; what lies between is left to Verify: opening has to be fast however long the
// journal is.
func (w *writer) readIndex(firsts []int64) (left []segment, err error) {
	for i, first := range firsts {
		h, err := readHeader(w.dir, first)
		if err != nil {
			return nil, refuse("%w", err)
		}
		if i == 0 {
			continue
		}
		p := h.Prev
		if p == nil || h.First != first || p.First != firsts[i-1] || p.Last != first-1 {
			return nil, refuse("segment %s does not continue %s", segmentName(first), segmentName(firsts[i-1]))
		}
		left = append(left, segment{first: p.First, last: p.Last, size: p.Bytes, times: span{p.From, p.To}, sealed: true})
	}
	return left, nil
}

// resume reads the last segment in full and opens it for writing.
func (w *writer) resume(first int64, head []byte, hasHead bool) (*cut, error) {
	path := filepath.Join(w.dir, segmentName(first))
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var report Report
	c := newChecker(&report, nil)
	if hasHead {
		c.own = trimPadding(head)
	}
	if err := c.segment(first, f, true); err != nil {
		return nil, err
	}
	c.finish()
	if err := w.judge(c, hasHead); err != nil {
		return nil, err
	}
	w.origin, w.keys, w.prev = c.header.Origin, c.links, c.header.Prev
	w.edge, w.last = c.good.edge, c.good.checkpoint
	w.segment = segment{first: first, last: w.edge.size, times: c.good.times, size: c.good.end, sealed: c.good.sealed}
	if err := w.open(path, hasHead); err != nil {
		return nil, err
	}
	return w.cutTail(f)
}

// judge refuses a last segment that is not what a crash leaves.
func (w *writer) judge(c *checker, hasHead bool) error {
	for _, p := range c.report.Problems {
		if p.Fault != FaultTruncated || p.acknowledged {
			return refuse("%v", p)
		}
	}
	switch {
	case !bytes.Equal(c.keys[len(c.keys)-1], w.key.Public().(ed25519.PublicKey)):
		return refuse("the audit key is %s, and the journal's present one is %s",
			Fingerprint(w.key.Public().(ed25519.PublicKey)), Fingerprint(c.keys[len(c.keys)-1]))
	case !hasHead && c.good.edge.size > 0:
		return refuse("the file checkpoint is missing, so that acknowledged records may be missing as well")
	}
	return nil
}

// open opens the segment and the file checkpoint for writing.
func (w *writer) open(path string, hasHead bool) (err error) {
	if w.file, err = w.disk.Open(path, false); err != nil {
		return err
	}
	if !hasHead {
		return w.createHead()
	}
	if w.head, err = w.disk.Open(filepath.Join(w.dir, checkpointName), false); err != nil {
		return err
	}
	return w.writeHead()
}

// cutTail removes what lies behind the acknowledged part, and sets the running hash.
func (w *writer) cutTail(f *os.File) (*cut, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
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

// noteOpening records what opening did that has to be known: it took something away, or began a
// journal that another one came before.
func (j *Journal) noteOpening(r recovered, prior *Prior) error {
	rec := inventory.Record{Kind: inventory.RecordFact, Principal: inventory.System("start"), Subject: "audit"}
	switch {
	case prior != nil && j.Latest().Size == 0:
		rec.Verb = VerbBegin
		rec.Result = fmt.Sprintf("goes on from %s, which had %d records", prior.Origin, prior.Size)
		rec.Detail, _ = json.Marshal(prior)
	case r.cut != nil:
		j.log.Warn("the audit journal had an unfinished write, which was never acknowledged; it was cut off",
			"segment", r.cut.Segment, "bytes", r.cut.Bytes, "sha256", r.cut.SHA256)
		rec.Verb, rec.Result = "audit.recover", "an unfinished write was cut off"
		rec.Detail, _ = json.Marshal(r.cut)
	default:
		return nil
	}
	_, err := j.Append(context.Background(), rec)
	return err
}

// PriorOf reads what a journal that is not gone on with last vouched for: its file checkpoint, or
// nothing but its folder when even that can't be read.
func PriorOf(dir string) (Prior, error) {
	text, err := os.ReadFile(filepath.Join(dir, checkpointName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Prior{}, err
	}
	cp, err := parseCheckpoint(trimPadding(text))
	if err != nil {
		return Prior{Origin: "an unreadable journal"}, nil
	}
	return Prior{Origin: cp.Origin, Size: cp.Size, Root: cp.Root}, nil
}

// VerbBegin is the verb of the first record of a journal that goes on from another.
const VerbBegin = "audit.begin"
