package audit

import (
	"crypto/ed25519"
	"fmt"
	"slices"
)

// checker walks over segments in order and notes every place where they are not as the journal
// wrote them. Open and Verify share it.
//
// Trust flows backwards from signatures: a signed commit vouches for the hash of its last entry,
// that entry for the hash of the one before, and so on. So of two neighbours that disagree, the
// one that a signature vouches for is right.
type checker struct {
	key    ed25519.PublicKey
	report *Report
	heads  []Head // statements the journal has to agree with, by ascending seq

	next   int64  // seq the next entry has to have
	prev   Digest // hash it has to name
	linked bool   // whether prev is known; not after a damaged line
	signed Head   // of the last signed commit

	name  string
	lines []line
	found int // problems in this segment
	times span
}

func newChecker(key ed25519.PublicKey, r *Report) *checker {
	return &checker{key: key, report: r, next: 1, linked: true}
}

func (c *checker) problem(seq int64, at int, fault Fault, format string, args ...any) {
	c.found++
	c.report.add(Problem{Seq: seq, Segment: c.name, Line: at, Fault: fault, Text: fmt.Sprintf(format, args...)})
}

// segment checks all lines of one segment. It returns those after the last commit, the seal apart:
// only the last segment may have any, and what they mean depends on who asks.
func (c *checker) segment(first int64, lines []line, isLast bool) (tail []line) {
	c.name, c.lines, c.found, c.times = segmentName(first), lines, 0, span{}
	if len(lines) == 0 || !c.header(first, &lines[0]) {
		if len(lines) == 0 {
			c.problem(c.next, 1, FaultTruncated, "the segment is empty")
		}
		return nil
	}
	rest := lines[1:]
	needed := c.signatures(rest)
	for {
		end := slices.IndexFunc(rest, func(l line) bool { return l.kind == lineCommit })
		if end < 0 {
			break
		}
		c.batch(rest[:end], &rest[end], needed)
		rest = rest[end+1:]
	}
	if len(rest) > 0 && rest[0].kind == lineSeal {
		c.seal(first, &rest[0])
		rest = rest[1:]
		if len(rest) > 0 {
			c.problem(c.next, rest[0].number, FaultForeign, "something follows the segment's last line")
		}
		return nil
	}
	if !isLast {
		c.unsealed(rest)
		return nil
	}
	return rest
}

// unsealed notes that a segment with successors does not end in a seal.
func (c *checker) unsealed(rest []line) {
	number := c.lines[len(c.lines)-1].number
	if len(rest) > 0 {
		number = rest[0].number
	}
	seq := c.next
	if len(rest) == 0 || rest[0].kind == lineTorn {
		seq = max(c.next-1, 1)
	}
	c.problem(seq, number, FaultRemoved, "the segment does not end in its seal, although others follow")
}

func (c *checker) header(first int64, l *line) bool {
	h := l.header
	switch {
	case l.kind != lineHeader:
		c.problem(first, 1, FaultFlipped, "the first line is not that of a segment")
		return false
	case h.Version != formatVersion:
		c.problem(first, 1, FaultFlipped, "the segment has format %d, this program reads %d", h.Version, formatVersion)
		return false
	case h.First != first:
		c.problem(first, 1, FaultSwapped, "the file holds the segment that begins with record %d", h.First)
	case first > c.next:
		c.problem(c.next, 0, FaultRemoved, "%s missing; the segment before this one is gone", records(c.next, first-1))
	case first < c.next:
		c.problem(first, 1, FaultForeign, "the segment overlaps the one before it")
	case h.Prev != c.prev && c.linked:
		c.problem(max(first-1, 1), 1, FaultRewritten, "the segment continues a record %d of other content", first-1)
	case h.Key != PublicKeyText(c.key):
		c.problem(first, 1, FaultFlipped, "the segment names another key than %s", Fingerprint(c.key))
	}
	c.next, c.prev, c.linked = h.First, h.Prev, true
	return true
}

// signatures reports whether every commit's signature has to be checked. It doesn't when the
// last one is good and the segment's bytes before it are those it vouches for: they include all
// earlier commits. That spares one verification per batch, most of the cost of verifying.
func (c *checker) signatures(rest []line) bool {
	for i := len(rest) - 1; i >= 0; i-- {
		if l := &rest[i]; l.kind == lineCommit {
			return l.commit.Bytes != l.sum || !l.isSignedBy(c.key)
		}
	}
	return true
}

// batch checks the entries before a commit, and the commit.
func (c *checker) batch(entries []line, end *line, checkSignature bool) {
	before := c.found
	good := !checkSignature || end.isSignedBy(c.key)
	if !good {
		// Whoever changed the commit's text can't be told from who changed its signature, so
		// nothing in it is believed.
		c.entries(entries, nil)
		c.problem(max(c.next-1, 1), end.number, FaultFlipped,
			"the commit after the record does not carry the key's signature")
		return
	}
	c.entries(entries, end)
	clean := c.found == before
	last := c.next - 1
	switch {
	case end.commit.Seq != last && c.isAhead(end):
		c.problem(c.next, end.number, FaultSwapped, "the commit of record %d stands before it", end.commit.Seq)
	case end.commit.Seq > last:
		c.problem(c.next, end.number, FaultRemoved, "%s missing", records(c.next, end.commit.Seq))
	case end.commit.Seq < last && clean:
		c.problem(max(end.commit.Seq+1, 1), end.number, FaultForeign, "the commit covers no more than record %d", end.commit.Seq)
	case end.commit.Hash != c.prev && c.linked && clean:
		c.problem(last, end.number-1, FaultRewritten, "its hash is not the one that was signed%s", c.doubt(last))
	case end.commit.Bytes != end.sum && c.found == 0:
		c.problem(last, end.number, FaultRemoved, "lines before this commit were removed, added or changed")
	}
	c.report.Commits++
	c.next, c.prev, c.linked = end.commit.Seq+1, end.commit.Hash, true
	c.signed = Head{Seq: end.commit.Seq, Hash: end.commit.Hash, At: end.commit.At}
}

// isAhead reports whether the last entry a commit speaks of comes only after it.
func (c *checker) isAhead(end *line) bool {
	return slices.ContainsFunc(c.lines[end.number:], func(l line) bool {
		return l.kind == lineEntry && l.entry.seq == end.commit.Seq
	})
}

// doubt adds which other records may have been rewritten along with the last one of a batch.
func (c *checker) doubt(last int64) string {
	if c.signed.Seq+1 >= last {
		return ""
	}
	return fmt.Sprintf("; %s may have been rewritten with it", records(c.signed.Seq+1, last-1))
}

// entries checks the entries of a batch one by one. vouch is the signed commit after them, nil
// when there is none.
func (c *checker) entries(entries []line, vouch *line) {
	for i := range entries {
		l := &entries[i]
		switch e := &l.entry; {
		case l.kind != lineEntry:
			c.problem(c.next, l.number, FaultFlipped, "the line is not one of a journal")
			c.skip()
		case e.own != e.hash:
			c.problem(c.next, l.number, FaultFlipped, "its content does not fit its checksum")
			c.next, c.prev, c.linked = c.next+1, e.hash, true
		case e.seq != c.next:
			c.misplaced(l)
		case e.prev != c.prev && c.linked:
			c.blame(entries, i, vouch)
			c.accept(l)
		default:
			c.accept(l)
		}
	}
}

func (c *checker) skip() { c.next, c.linked = c.next+1, false }

func (c *checker) accept(l *line) {
	e := &l.entry
	for _, h := range c.heads {
		if h.Seq == e.seq && h.Hash != e.own {
			c.problem(e.seq, l.number, FaultRewritten, "a signed head vouches for another content")
		}
	}
	c.times.add(l.span.from)
	if c.report.First == 0 {
		c.report.First = e.seq
	}
	c.report.Records++
	c.report.Last = max(c.report.Last, e.seq)
	c.next, c.prev, c.linked = e.seq+1, e.own, true
}

// misplaced notes a sound entry whose seq is not the one that comes next.
func (c *checker) misplaced(l *line) {
	seq := l.entry.seq
	follows := func(seq int64) bool {
		return slices.ContainsFunc(c.lines[l.number:], func(o line) bool {
			return o.kind == lineEntry && o.entry.seq == seq
		})
	}
	switch {
	case seq > c.next && follows(seq) && !follows(c.next):
		c.problem(c.next, l.number, FaultRewritten, "what stands in its place calls itself record %d", seq)
		c.skip()
	case follows(c.next) || seq < c.next && seq > c.signed.Seq:
		c.problem(c.next, l.number, FaultSwapped, "record %d stands in its place", seq)
		c.skip()
	case seq > c.next:
		c.problem(c.next, l.number, FaultRemoved, "%s missing", records(c.next, seq-1))
		c.accept(l)
	default:
		c.problem(c.next, l.number, FaultForeign, "record %d stands here once more", seq)
		c.skip()
	}
}

// blame decides which of two neighbours was rewritten, given that entry i does not name the hash
// of the one before. The first of a batch stands after a signature, so there it is entry i.
func (c *checker) blame(entries []line, i int, vouch *line) {
	l := &entries[i]
	vouched := i+1 < len(entries) && entries[i+1].entry.prev == l.entry.own ||
		i+1 == len(entries) && vouch != nil && vouch.commit.Hash == l.entry.own
	if i > 0 && vouched {
		c.problem(l.entry.seq-1, entries[i-1].number, FaultRewritten,
			"its checksum fits, but record %d continues one of other content", l.entry.seq)
		return
	}
	c.problem(l.entry.seq, l.number, FaultRewritten, "it does not continue record %d", l.entry.seq-1)
}

// seal checks the segment's last line, which can be computed from the lines before it.
func (c *checker) seal(first int64, l *line) {
	want := seal{First: first, Last: c.next - 1, Hash: c.prev, From: c.times.from, To: c.times.to}
	if c.found == 0 && l.seal != want {
		c.problem(max(c.next-1, 1), l.number, FaultFlipped, "the segment's seal does not fit its records")
	}
}

func records(first, last int64) string {
	if first == last {
		return fmt.Sprintf("record %d is", first)
	}
	return fmt.Sprintf("records %d to %d are", first, last)
}
