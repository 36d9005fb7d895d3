package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lodge/inventory"
)

// VerifyOptions say what is known from elsewhere.
type VerifyOptions struct {
	// PublicKey is one of the audit keys as it was noted down. Without one the keys the journal
	// names are used, and the report says so.
	PublicKey ed25519.PublicKey
	// Checkpoints were taken earlier and kept where the host can't change them. The journal has to
	// contain what each says. Only they find a folder that was put back to an older state as a
	// whole, or rewritten by one who has the key.
	Checkpoints [][]byte
	// Recordings is the folder recordings of sessions lie in; "" is the folder recordings beside the
	// segments, and where there is none recordings are not looked at.
	Recordings string
	// Logs are checkpoints from a log that may tell of other journals too: those are left out.
	Logs [][]byte

	patience time.Duration
	leaf     func(seq int64, h tlog.Hash) // called for each record in its place
}

// defaultPatience is the time between two looks at a file that an agent may be writing.
const defaultPatience = 20 * time.Millisecond

// Verify checks every byte of the journal in a folder, or in a tar file of one. It takes no lock,
// changes nothing and needs no agent: a copy on another machine will do, and so will the folder of
// an agent that is writing. The error is for what can't be read; what is wrong with the journal is
// in the report.
func Verify(path string, o VerifyOptions) (Report, error) {
	v, err := verify(path, o)
	if err != nil {
		return Report{}, fmt.Errorf("verify the audit journal: %w", err)
	}
	return v.report, nil
}

func verify(path string, o VerifyOptions) (*verification, error) {
	src, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if o.patience == 0 {
		o.patience = defaultPatience
	}
	for tries := 0; ; tries++ {
		v := &verification{src: src, options: o}
		v.checker = newChecker(&v.report, o.PublicKey)
		v.leaf = o.leaf
		if err := v.run(); err != nil {
			return nil, err
		}
		if !v.mayBeWriting() || tries == 5 || o.patience < 0 {
			return v, nil
		}
		// An agent at work may be in the middle of a batch. Then the file checkpoint moves on soon, and
		// what is behind the last checkpoint that was read does not count yet.
		time.Sleep(o.patience)
		if now, err := readAll(src, checkpointName); err == nil && !bytes.Equal(now, v.own) {
			v.report.Problems = nil
			v.sum(v.report.Segments)
			return v, nil
		}
	}
}

// verification is one pass over a journal.
type verification struct {
	*checker
	report  Report
	src     source
	options VerifyOptions
}

func (v *verification) run() error {
	names, err := v.src.Names()
	if err != nil {
		return err
	}
	// The checkpoint is read before the segments: an agent at work only adds to what it says.
	v.own, err = readAll(v.src, checkpointName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	firsts := segmentsIn(names)
	if len(firsts) == 0 && v.own == nil {
		return inventory.Errorf(inventory.ErrNotFound, "there is no audit journal here")
	}
	if v.own != nil {
		v.claim(v.own, true)
	}
	for _, text := range v.options.Checkpoints {
		v.claim(text, false)
	}
	for _, text := range v.options.Logs {
		v.claim(text, false).log = true
	}
	if err := v.segments(firsts); err != nil {
		return err
	}
	if err := v.recordings(); err != nil {
		return err
	}
	v.finish()
	v.beginning()
	v.sum(len(firsts))
	return nil
}

// segments checks all of them.
func (v *verification) segments(firsts []int64) error {
	for i, first := range firsts {
		limit := int64(-1)
		if i+1 < len(firsts) {
			// A segment that was given up after a failed fsync ends where the next one says.
			if h, err := v.header(firsts[i+1]); err == nil && h.Prev != nil && h.Prev.First == first {
				limit = h.Prev.Bytes
			}
		}
		f, size, err := v.src.Open(segmentName(first))
		if err != nil {
			return err
		}
		if limit < 0 {
			limit = size
		}
		err = v.segment(first, io.NewSectionReader(f, 0, min(limit, size)), i == len(firsts)-1)
		f.Close()
		if err != nil {
			return err
		}
		switch {
		case limit < size && v.good.sealed:
			v.problem(v.edge.size, limit, FaultInserted, "something follows the segment's last checkpoint")
		case limit < size:
			v.report.note("%d bytes at the end of %s don't count: it was given up, and the next one continues what is before them",
				size-limit, segmentName(first))
		}
	}
	return nil
}

func (v *verification) header(first int64) (h header, err error) {
	f, size, err := v.src.Open(segmentName(first))
	if err != nil {
		return h, err
	}
	defer f.Close()
	fr, err := newFrameReader(io.NewSectionReader(f, 0, min(size, maxHeader)), 0, false).next()
	if err == nil {
		err = decodeExact(fr.payload, &h)
	}
	return h, err
}

// finish judges the end of the journal: what is behind its last good checkpoint, and whether anybody
// vouches for more.
func (c *checker) finish() {
	if c.own != nil && c.claims == nil {
		c.claim(c.own, true)
		c.compareLate()
	}
	c.leaveOutOthers()
	claimed := c.checkClaims()
	c.tail(claimed)
	for i := range c.claims {
		c.agree(&c.claims[i])
	}
	if c.pinned != nil && !slices.ContainsFunc(c.keys, func(k ed25519.PublicKey) bool { return k.Equal(c.pinned) }) {
		c.name = segmentName(c.first)
		c.problem(c.first, 0, FaultKey, "none of the journal's keys is %s", Fingerprint(c.pinned))
	}
}

// leaveOutOthers drops what a log tells of other journals.
func (c *checker) leaveOutOthers() {
	before := len(c.claims)
	c.claims = slices.DeleteFunc(c.claims, func(cl claim) bool {
		return cl.log && cl.broken == nil && cl.Origin != c.header.Origin
	})
	if n := before - len(c.claims); n > 0 {
		c.report.note("%d checkpoints in a log are of other journals; they were not compared", n)
	}
}

// compareLate compares a claim that was made after the last record was read.
func (c *checker) compareLate() {
	for i := range c.claims {
		if cl := &c.claims[i]; cl.Size == c.good.edge.size {
			cl.root, cl.known = c.good.edge.root(), true
		}
	}
}

// checkClaims checks the signatures and returns the newest claim that has a good one.
func (c *checker) checkClaims() (newest *claim) {
	for i := range c.claims {
		cl := &c.claims[i]
		if cl.broken == nil {
			cl.broken = c.signedByUs(cl)
		}
		if cl.broken == nil && (newest == nil || cl.Size > newest.Size) {
			newest = cl
		}
	}
	return newest
}

// signedByUs accepts others' signatures beside ours, but not in the file checkpoint.
func (c *checker) signedByUs(cp *claim) error {
	if cp.Origin != c.header.Origin {
		return fmt.Errorf("it speaks of another journal, %s", cp.Origin)
	}
	for _, key := range c.keys {
		if cp.isExact(key) || !cp.own && cp.isSignedBy(key) {
			return nil
		}
	}
	return errors.New("none of the journal's keys signed it")
}

// tail judges what stands behind the last good checkpoint of the last segment: what a crash left, or
// what somebody did.
func (c *checker) tail(newest *claim) {
	size, end := c.good.edge.size, c.good.end
	var kept, tail []Problem
	crash, torn := true, true
	for _, p := range c.report.Problems {
		if p.Segment != c.name || p.Offset < end || end == 0 {
			kept = append(kept, p)
			continue
		}
		crash = crash && p.crash
		torn = torn && p.Fault == FaultTruncated
		p.acknowledged = newest != nil && newest.Size > size
		tail = append(tail, p)
	}
	switch claimed := newest != nil && newest.Size > size; {
	case claimed && !torn || !crash:
		return
	case claimed:
		c.report.Problems = kept
		c.problem(size+1, end, FaultTruncated, "%s missing; a checkpoint signed %s vouches for more",
			records(size+1, newest.Size), newest.At.Format(time.RFC3339)).acknowledged = true
	case end > 0 && c.size > end && len(kept) == 0:
		c.report.Problems = kept
		c.problem(size+1, end, FaultTruncated,
			"a write was cut off; the next start of the agent takes its %d bytes away", c.size-end).crash = true
	}
}

// agree compares the journal with one checkpoint from elsewhere.
func (c *checker) agree(cl *claim) {
	where := "a checkpoint that was kept elsewhere"
	if cl.own {
		where = "the file checkpoint"
	}
	c.name = checkpointName
	switch {
	case cl.broken != nil:
		c.problem(max(c.good.edge.size, 1), 0, FaultKey, "%s: %v", where, cl.broken)
	case cl.known && cl.root != cl.Root:
		c.problem(max(cl.Size, 1), 0, FaultForked, "%s vouches for another history of the %d records before it", where, cl.Size)
	case cl.Size < c.first-1 && cl.log: // a log goes back further than what was archived
	case cl.Size < c.first-1:
		c.report.note("%s speaks of record %d, before the first one here: it can't be compared", where, cl.Size)
	case cl.known && !cl.own:
		c.report.Compared++
		if cl.At.After(c.report.anchored) {
			c.report.anchored = cl.At
		}
	}
}

// beginning judges what is missing before the first segment.
func (v *verification) beginning() {
	c, first := v.checker, v.first
	e, err := readExport(v.src, c)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		c.name = exportName
		c.problem(first, 0, FaultKey, "the statement of what was exported: %v", err)
	case err == nil && e.First != first:
		c.name = exportName
		c.problem(e.First, 0, FaultRemoved, "%s missing; they were exported", records(min(e.First, first), max(e.First, first)-1))
	case err == nil:
		v.report.note("this is an export of records %d to %d; the others were not looked at", e.First, e.Last)
		if e.Last > c.good.edge.size && len(v.report.Problems) == 0 {
			c.name = exportName
			c.problem(c.good.edge.size+1, 0, FaultTruncated, "%s missing; they were exported", records(c.good.edge.size+1, e.Last))
		}
	case first > 1 && c.archived == first-1:
		v.report.note("records 1 to %d were archived, as a record says; they were not looked at", first-1)
	case first > 1:
		c.name = segmentName(1)
		c.problem(1, 0, FaultRemoved, "%s missing", records(1, first-1))
	}
	if v.own == nil && c.good.edge.size > 0 {
		c.name = checkpointName
		c.problem(c.good.edge.size, 0, FaultTruncated, "the file checkpoint is missing, so the end can't be proved")
	}
	if v.own != nil && first == 0 {
		c.name = checkpointName
		c.problem(1, 0, FaultTruncated, "there is a checkpoint but no segment")
	}
}

// sum fills in the report.
func (v *verification) sum(segments int) {
	r, c := &v.report, v.checker
	r.Segments, r.Origin, r.Keys, r.Pinned = segments, c.header.Origin, len(c.keys), c.pinned != nil
	if len(c.keys) > 0 {
		r.Key = Fingerprint(c.keys[len(c.keys)-1])
	}
	root := c.good.edge.root()
	r.Size, r.Root = c.good.edge.size, root.String()
	if len(r.Problems) == 0 {
		r.Records, r.First, r.Last = r.Size-c.first+1, c.first, r.Size
	}
	r.From, r.To = c.all.from, c.all.to
	c.story.sum()
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	r.judge()
}

// mayBeWriting reports whether all that is wrong is an unfinished write at the end.
func (v *verification) mayBeWriting() bool {
	return len(v.report.Problems) == 1 && v.report.Problems[0].crash
}
