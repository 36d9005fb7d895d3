package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"lodge/inventory"
)

// A Query selects records.
type Query = inventory.RecordQuery

var errStop = errors.New("stop")

// Records returns what the query selects, in the order it was recorded. Only acknowledged records
// are seen. A record that no longer fits its checksum ends the reading with ErrState.
func (j *Journal) Records(ctx context.Context, q Query) ([]Entry, error) {
	if q.Newest && q.Limit > 0 {
		return j.newest(ctx, q)
	}
	return j.behind(ctx, Entry{}, q)
}

// behind returns the records that a query selects of those after one that was read before: what lies before
// that in its segment is not read again. Segments only grow.
func (j *Journal) behind(ctx context.Context, last Entry, q Query) (out []Entry, err error) {
	q.AfterSeq = max(q.AfterSeq, last.Seq)
	err = j.walk(ctx, last, q, func(e Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// Walk calls fn for each record that the query selects, in order, holding one at a time.
func (j *Journal) Walk(ctx context.Context, q Query, fn func(Entry) error) error {
	return j.walk(ctx, Entry{}, q, fn)
}

func (j *Journal) walk(ctx context.Context, last Entry, q Query, fn func(Entry) error) error {
	n := 0
	for _, s := range j.segments(q) {
		var from int64
		if last.Seq > 0 && last.Segment == s.first {
			from = last.Offset
		}
		_, err := j.read(ctx, s, from, q, func(e Entry) error {
			if err := fn(e); err != nil {
				return err
			}
			if n++; n == q.Limit {
				return errStop
			}
			return nil
		})
		if err == errStop {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// newest reads segments from the last one back until there are enough records.
func (j *Journal) newest(ctx context.Context, q Query) ([]Entry, error) {
	var out []Entry
	for _, s := range slices.Backward(j.segments(q)) {
		n := q.Limit - len(out)
		var part []Entry
		_, err := j.read(ctx, s, 0, q, func(e Entry) error {
			if part = append(part, e); len(part) >= 2*n {
				part = append(part[:0], part[len(part)-n:]...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if out = append(part[max(0, len(part)-n):], out...); len(out) == q.Limit {
			break
		}
	}
	return out, nil
}

// At returns the record that an index says is there. ErrState when it is another: the index has to
// be made anew.
func (j *Journal) At(p inventory.PlacedRecord) (Entry, error) {
	f, err := os.Open(filepath.Join(j.dir, segmentName(p.Segment)))
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(filepath.Join(j.dir, ArchiveName, segmentName(p.Segment)))
	}
	if err != nil {
		return Entry{}, inventory.Errorf(inventory.ErrUnavailable, "record %d was archived: %w", p.Seq, err)
	}
	defer f.Close()
	head := make([]byte, frameHead)
	if _, err := f.ReadAt(head, p.Offset); err != nil {
		return Entry{}, misplaced(p.Seq, err)
	}
	size := int64(frameHead) + int64(binary.BigEndian.Uint32(head)&(1<<24-1))
	fr, err := newFrameReader(io.NewSectionReader(f, p.Offset, size), p.Offset, false).next()
	if err != nil || fr.kind != frameEvent {
		return Entry{}, misplaced(p.Seq, err)
	}
	e, err := decodeEntry(p.Segment, fr)
	if err != nil || e.Seq != p.Seq {
		return Entry{}, misplaced(p.Seq, err)
	}
	return e, nil
}

func misplaced(seq int64, err error) error {
	return inventory.Errorf(inventory.ErrState,
		"record %d is not where the index says (%v); run 'lodge audit verify' and 'lodge audit reindex'", seq, err)
}

// segments returns those that can hold a selected record.
func (j *Journal) segments(q Query) []segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []segment
	for _, s := range j.index {
		if s.last >= s.first && s.last > q.AfterSeq && (q.BeforeSeq == 0 || s.first < q.BeforeSeq) &&
			s.times.overlaps(q.From, q.To) {
			out = append(out, s)
		}
	}
	return out
}

// read calls fn for the selected records of one segment from offset on, and returns the offset
// behind the acknowledged part.
func (j *Journal) read(ctx context.Context, s segment, offset int64, q Query, fn func(Entry) error) (int64, error) {
	f, err := os.Open(filepath.Join(j.dir, s.name()))
	if err != nil {
		return offset, fmt.Errorf("read the audit journal: %w", err)
	}
	defer f.Close()
	r := newFrameReader(io.NewSectionReader(f, offset, s.size-offset), offset, false)
	for n := 0; ; n++ {
		fr, err := r.next()
		if err == io.EOF {
			return s.size, nil
		}
		if err == nil && n%256 == 0 {
			if cause := ctx.Err(); cause != nil {
				return offset, fmt.Errorf("read the audit journal: %w", cause)
			}
		}
		if err == nil && fr.kind != frameEvent {
			continue
		}
		var e Entry
		if err == nil && seqOf(fr.payload) <= q.AfterSeq {
			continue
		}
		if err == nil {
			e, err = decodeEntry(s.first, fr)
		}
		if err != nil {
			return offset, inventory.Errorf(inventory.ErrState,
				"the audit journal is damaged in %s: %w; run 'lodge audit verify'", s.name(), err)
		}
		if q.Matches(e.Seq, &e.Record) {
			if err := fn(e); err != nil {
				return offset, err
			}
		}
	}
}

// seqOf reads the number a payload begins with, 0 if there is none.
func seqOf(text []byte) int64 {
	rest, _ := bytes.CutPrefix(text, []byte(`{"seq":`))
	number, _, _ := bytes.Cut(rest, []byte(","))
	seq, _ := strconv.ParseInt(string(number), 10, 64)
	return seq
}
