package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// checker walks over segments in order and notes every place where they are not as the journal
// wrote them. Open and Verify share it.
//
// Every checkpoint vouches for all records before it, by the root of their tree, and for all bytes
// of its segment before it. So the signature of the last checkpoint of a segment is enough: it
// covers the earlier ones. Only those that a change of key follows are checked by themselves.
type checker struct {
	report *Report
	pinned ed25519.PublicKey
	own    []byte // the file checkpoint, nil when there is none
	claims []claim
	bySize map[int64][]int // claims, by the records they speak of

	header header // of the present segment
	keys   []ed25519.PublicKey
	links  []KeyLink
	next   *KeyLink // named by a record; signs after the next checkpoint

	edge     edge
	lost     bool // edge and sums don't fit any more; the next segment says where we are
	doubt    int  // problems since the last checkpoint
	gap      gap
	lastHash tlog.Hash // of the last record
	leaf     func(seq int64, h tlog.Hash)
	good     state   // at the last checkpoint that fits
	extent   *extent // of the segment before
	pending  *Checkpoint
	sealing  bool // after a seal only its checkpoint may come

	name     string
	first    int64 // of the first segment
	size     int64 // bytes of this segment
	found    int   // problems in this segment
	times    span  // of this segment
	all      span  // of all
	archived int64 // a record says that what comes before was taken away
	story    story
}

// state is how far all is well.
type state struct {
	edge       edge
	checkpoint Checkpoint
	times      span
	end        int64
	sealed     bool
}

// gap are numbers that were passed over: if they turn up later, records were swapped.
type gap struct {
	from, to int64
	problem  int
}

func newChecker(r *Report, pinned ed25519.PublicKey) *checker {
	return &checker{report: r, pinned: pinned, story: newStory(r)}
}

func (c *checker) problem(seq, offset int64, fault Fault, format string, args ...any) *Problem {
	c.found++
	c.doubt++
	p := Problem{Seq: max(seq, 1), Segment: c.name, Offset: offset, Fault: fault, Text: fmt.Sprintf(format, args...)}
	c.report.add(p)
	if n := len(c.report.Problems); c.report.More == 0 {
		return &c.report.Problems[n-1]
	}
	return &p
}

// maxBad ends the reading of a file that is no segment at all.
const maxBad = 100

// segment checks all frames of one segment. The error is for a file that can't be read.
func (c *checker) segment(first int64, in io.Reader, isLast bool) error {
	c.name, c.found, c.times, c.sealing = segmentName(first), 0, span{}, false
	c.good.end, c.good.sealed = 0, false
	f := newFrameReader(in, 0, true)
	fr, err := f.next()
	if err != nil && err != io.EOF && err != errTorn && err != errFrame {
		return err
	}
	if err != nil || fr.kind != frameHeader || !c.begin(first, fr) {
		if c.found == 0 {
			c.problem(first, 0, FaultFlipped, "the file does not begin as a segment")
		}
		c.lost, c.extent, c.edge.size = true, nil, max(c.edge.size, first-1)
		return nil
	}
	for bad := 0; bad < maxBad; {
		fr, err := f.next()
		if err == io.EOF {
			break
		}
		if err == errTorn {
			c.problem(c.edge.size+1, fr.offset, FaultTruncated, "the file ends within a frame").crash = true
			break
		}
		if err == errFrame {
			c.problem(c.edge.size+1, fr.offset, FaultFlipped, "%v", err).crash = true
			bad++
			if fr.kind == frameEvent && fr.end > 0 {
				c.edge.size++ // it held a record, whichever
			}
			c.lost = true
			continue
		}
		if err != nil {
			return err
		}
		c.frame(fr)
	}
	c.end(f, isLast)
	return nil
}

func (c *checker) frame(fr frame) {
	if c.good.sealed || c.sealing && fr.kind != frameCheckpoint {
		c.problem(c.edge.size, fr.offset, FaultInserted, "something follows the segment's last checkpoint")
		return
	}
	switch fr.kind {
	case frameEvent:
		c.event(fr)
	case frameCheckpoint:
		c.checkpoint(fr)
	case frameSeal:
		c.seal(fr)
	default:
		c.problem(c.edge.size+1, fr.offset, FaultInserted, "a second header")
	}
}

// begin checks a segment's header and goes on from it.
func (c *checker) begin(first int64, fr frame) bool {
	var h header
	if err := decodeExact(fr.payload, &h); err != nil {
		c.problem(first, 0, FaultRewritten, "the segment's header can't be read: %v", err)
		return false
	}
	e, ok := edgeOf(h.First-1, h.Edge)
	keys, err := h.chain()
	switch {
	case h.Version != formatVersion:
		c.problem(first, 0, FaultRewritten, "the segment has format %d, this program reads %d", h.Version, formatVersion)
		return false
	case h.First != first:
		c.problem(first, 0, FaultSwapped, "the file holds the segment that begins with record %d", h.First)
		return false
	case !ok:
		c.problem(first, 0, FaultRewritten, "the segment's edge does not fit its number")
		return false
	case err != nil:
		c.problem(first, 0, FaultKey, "the keys it names: %v", err)
		return false
	}
	if c.keys == nil {
		c.first = first
	} else {
		c.join(h, e)
	}
	c.header, c.edge, c.lost, c.keys, c.links, c.next = h, e.clone(), false, keys, h.Keys, nil
	c.good = state{edge: e.clone()}
	c.doubt, c.gap, c.pending = 0, gap{}, nil
	c.compare()
	return true
}

// join compares a header with what came before.
func (c *checker) join(h header, e edge) {
	switch {
	case h.Origin != c.header.Origin:
		c.problem(h.First, 0, FaultInserted, "the segment belongs to another journal, %s", h.Origin)
	case h.First > c.edge.size+1 && !(c.lost && c.extent == nil):
		c.problem(c.edge.size+1, 0, FaultRemoved, "%s missing; the segment before this one is gone", records(c.edge.size+1, h.First-1))
	case h.First < c.edge.size+1 && !c.lost:
		c.problem(h.First, 0, FaultDoubled, "the segment overlaps the one before it")
	case c.lost || c.extent == nil:
	case e.root() != c.edge.root():
		c.problem(h.First-1, 0, FaultRewritten, "the segment continues a record %d of another history", h.First-1)
	case !bytes.Equal(encodeJSON(h.Keys), encodeJSON(c.links)):
		c.problem(h.First, 0, FaultKey, "the segment names other keys than the records before it")
	case h.Prev == nil || *h.Prev != *c.extent:
		c.problem(h.First-1, 0, FaultRewritten, "the segment before it is not the one it continues")
	}
}

// event checks a record's number and adds it to the tree.
func (c *checker) event(fr frame) {
	o, err := readOutline(fr.payload)
	if err != nil {
		c.problem(c.edge.size+1, fr.offset, FaultRewritten, "%v", err)
		c.lost = true
		return
	}
	leaf := tlog.RecordHash(fr.payload)
	want := c.edge.size + 1
	if o.seq != want {
		c.misplaced(o.seq, want, fr.offset, leaf)
		c.lost = true
		if o.seq < want {
			return
		}
		c.edge.size = o.seq - 1
	}
	c.lastHash = leaf
	if c.leaf != nil {
		c.leaf(o.seq, leaf)
	}
	if c.lost {
		c.edge.size++
	} else {
		c.edge.add(leaf)
	}
	c.times.add(o.at)
	c.all.add(o.at)
	c.story.tell(o)
	if o.verb == VerbNextKey && o.kind == "fact" {
		c.next = new(KeyLink)
		if json.Unmarshal(o.detail, c.next) != nil {
			c.next = &KeyLink{}
		}
	}
	if o.verb == VerbArchive && o.kind == "fact" {
		var a Archived
		if json.Unmarshal(o.detail, &a) == nil {
			c.archived = max(c.archived, a.Last)
		}
	}
	c.compare()
}

// misplaced notes a record whose number is not the one that comes next.
func (c *checker) misplaced(seq, want, offset int64, leaf tlog.Hash) {
	switch {
	case seq > want:
		c.problem(want, offset, FaultRemoved, "%s missing", records(want, seq-1))
		c.gap = gap{want, seq - 1, len(c.report.Problems) - 1}
	case seq >= c.gap.from && seq <= c.gap.to:
		if p := &c.report.Problems[c.gap.problem]; p.Fault == FaultRemoved {
			p.Fault, p.Text = FaultSwapped, fmt.Sprintf("record %d comes later", seq)
		}
		c.gap.from = seq + 1
	case leaf == c.lastHash:
		c.problem(seq, offset, FaultDoubled, "it stands there once more")
	default:
		c.problem(seq, offset, FaultInserted, "another record %d stands there", seq)
	}
}

func (c *checker) present(end int64, sum Digest) extent {
	return extent{First: c.header.First, Last: c.edge.size, Bytes: end, SHA256: sum, From: c.times.from, To: c.times.to}
}

// end closes a segment: what is behind its last good checkpoint is judged for all but the last.
func (c *checker) end(f *frameReader, isLast bool) {
	if !c.lost {
		c.proof(c.good.end)
	}
	if !isLast && !c.lost && c.good.end != f.offset {
		c.problem(c.edge.size, c.good.end, FaultRemoved, "the segment does not end in a checkpoint, although others follow")
	}
	e := c.present(f.offset, Digest{})
	f.sum.Sum(e.SHA256[:0])
	c.extent = &e
	if c.found > 0 {
		c.extent = nil
		c.lost = true
	}
	c.size = f.offset
}

func records(first, last int64) string {
	if first >= last {
		return fmt.Sprintf("record %d is", first)
	}
	return fmt.Sprintf("records %d to %d are", first, last)
}

func recordsAre(first, last int64) string {
	if first >= last {
		return fmt.Sprintf("record %d is", last)
	}
	return fmt.Sprintf("records %d to %d is", first, last)
}
