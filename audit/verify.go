package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lodge/inventory"
)

// VerifyOptions say what is known from elsewhere.
type VerifyOptions struct {
	// PublicKey is the audit key as it was noted down. Without one the key the journal names is
	// used, and the report says so.
	PublicKey ed25519.PublicKey
	// Heads are copies of the file head taken earlier and kept where the host can't change them.
	// The journal has to contain what each says. Only this finds a folder that was put back to an
	// older state as a whole, or rewritten by one who has the key.
	Heads [][]byte

	patience time.Duration
}

// defaultPatience is the time between two looks at a file that an agent may be writing.
const defaultPatience = 20 * time.Millisecond

// Verify checks every byte of the journal in dir. It takes no lock, changes nothing and needs no
// agent: a copy of the folder on another machine will do, and so will the folder of an agent that
// is writing. The error is for a folder that can't be read; what is wrong with the journal is in
// the report.
func Verify(dir string, o VerifyOptions) (Report, error) {
	var r Report
	firsts, err := listSegments(dir)
	if err != nil {
		return r, fmt.Errorf("verify the audit journal: %w", err)
	}
	key := o.PublicKey
	if r.Pinned = len(key) == ed25519.PublicKeySize; !r.Pinned {
		if key, err = namedKey(dir, firsts); err != nil {
			return r, err
		}
	}
	if o.patience == 0 {
		o.patience = defaultPatience
	}
	r.Key = Fingerprint(key)
	c := newChecker(key, &r)
	// The head is read before the segments: an agent at work only adds to what it says.
	var headErr error
	r.Head, headErr = readHead(dir, key, o.patience)
	if headErr != nil && !errors.Is(headErr, errHead) && !errors.Is(headErr, fs.ErrNotExist) {
		return r, headErr
	}
	if err := c.know(r.Head, headErr, o.Heads); err != nil {
		return r, err
	}
	if firsts, err = listSegments(dir); err != nil {
		return r, err
	}
	if len(firsts) == 0 && errors.Is(headErr, fs.ErrNotExist) {
		return r, inventory.Errorf(inventory.ErrNotFound, "%s holds no audit journal", dir)
	}
	if err := c.folder(dir, firsts, o.patience); err != nil {
		return r, err
	}
	c.end(headErr)
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	r.judge()
	return r, nil
}

// namedKey returns the key that the first segment names.
func namedKey(dir string, firsts []int64) (ed25519.PublicKey, error) {
	for _, first := range firsts {
		f, err := os.Open(filepath.Join(dir, segmentName(first)))
		if err != nil {
			return nil, err
		}
		var h line
		err = scan(f, func(l line) error { h = l; return errStop })
		f.Close()
		if err != nil && err != errStop {
			return nil, err
		}
		if key, err := ParsePublicKey(h.header.Key); err == nil {
			return key, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrInvalid, "%s holds no segment that names its key; give the audit key", dir)
}

// know collects the heads the journal has to agree with.
func (c *checker) know(own Head, headErr error, copies [][]byte) error {
	if headErr == nil {
		c.heads = append(c.heads, own)
	}
	for _, text := range copies {
		h, err := ParseHead(text, c.key)
		if err != nil {
			return inventory.Errorf(inventory.ErrInvalid,
				"the head to compare with was not signed by %s; check that it belongs to this journal", Fingerprint(c.key))
		}
		c.heads = append(c.heads, h)
	}
	slices.SortFunc(c.heads, func(a, b Head) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	return nil
}

// folder checks all segments.
func (c *checker) folder(dir string, firsts []int64, patience time.Duration) error {
	c.report.Segments = len(firsts)
	var times span
	for i, first := range firsts {
		isLast := i == len(firsts)-1
		lines, err := readLines(filepath.Join(dir, segmentName(first)), isLast, patience)
		if err != nil {
			return fmt.Errorf("verify the audit journal: %w", err)
		}
		if tail := c.segment(first, lines, isLast); len(tail) > 0 {
			c.tail(tail)
		}
		if !c.times.from.IsZero() {
			times.add(c.times.from)
			times.add(c.times.to)
		}
	}
	c.report.From, c.report.To = times.from, times.to
	return nil
}

// readLines reads a segment. In the last one an agent may be at work, so that the reader sees part
// of a batch: then it is read again, and when more was committed meanwhile, the part is left out.
func readLines(path string, isLast bool, patience time.Duration) ([]line, error) {
	lines, err := readSegment(path)
	for range 5 {
		end := committed(lines)
		if err != nil || !isLast || end == len(lines) || lines[end].kind == lineSeal {
			break
		}
		time.Sleep(patience)
		if lines, err = readSegment(path); err == nil && committed(lines) > end {
			return lines[:committed(lines)], nil
		}
	}
	return lines, err
}

func readSegment(path string) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return scanAll(f)
}

// committed returns how many lines there are up to the last commit, or the header without any.
func committed(lines []line) int {
	for i := len(lines) - 1; i > 0; i-- {
		if lines[i].kind == lineCommit {
			return i + 1
		}
	}
	return min(len(lines), 1)
}

// tail judges what stands after the last commit of the journal: the remains of a write that was
// cut off, or something that somebody added.
func (c *checker) tail(tail []line) {
	from, before := c.next, c.found
	last := tail[len(tail)-1]
	if last.kind == lineTorn {
		tail = tail[:len(tail)-1]
	}
	c.entries(tail, nil)
	switch {
	case c.found > before:
	case last.kind == lineTorn && last.repaired:
		c.problem(max(c.next-1, 1), last.number, FaultFlipped, "the line's end was changed")
	case last.kind == lineTorn:
		c.problem(from, last.number, FaultTruncated,
			"a write was cut off; the next start of the agent takes its remains away")
	case c.claimed() >= c.next:
		c.problem(c.next, last.number+1, FaultTruncated,
			"the commit and what was before it is missing, so that %s not proved", records(from, c.next-1))
	case c.claimed() == c.next-1:
		c.problem(c.next-1, last.number+1, FaultTruncated, "the commit after it is missing")
	default:
		c.problem(from, tail[0].number, FaultForeign, "%s not covered by a signature", records(from, c.next-1))
	}
}

// claimed is the last record that a signed head vouches for.
func (c *checker) claimed() int64 {
	if len(c.heads) == 0 {
		return 0
	}
	return c.heads[len(c.heads)-1].Seq
}

// end compares where the journal ends with where it should.
func (c *checker) end(headErr error) {
	for _, h := range c.heads {
		if h.Seq >= c.next {
			c.problem(c.next, len(c.lines)+1, FaultTruncated, "%s missing; a signed head of %s vouches for more",
				records(c.next, h.Seq), h.At.Format(time.RFC3339))
		}
	}
	c.name = headName
	switch {
	case headErr == nil && c.report.Segments == 0:
		c.problem(1, 1, FaultTruncated, "there is a head but no segment")
	case errors.Is(headErr, errHead):
		c.problem(max(c.signed.Seq, 1), 1, FaultFlipped, "%v", headErr)
	case headErr != nil && c.signed.Seq > 0:
		c.problem(c.signed.Seq, 0, FaultTruncated, "the file head is missing, so the end can't be proved")
	}
}
