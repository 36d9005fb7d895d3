package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
)

// A Query selects records. Zero fields select everything.
type Query struct {
	From, To  time.Time // From is included, To is not
	Kind      inventory.RecordKind
	Verb      string // "container.stop", or all of a kind with "container.*"
	Principal string // name
	Subject   string // "container:ID"
	Name      string // of the subject, as a person knows it
	Project   string
	Operation inventory.OperationID
	AfterSeq  int64
	Limit     int  // at most so many, 0 for all
	Newest    bool // with a limit: the last ones rather than the first
}

// Matches reports whether the query selects the entry, its limit apart.
func (q *Query) Matches(e Entry) bool {
	r := &e.Record
	prefix, isPrefix := strings.CutSuffix(q.Verb, "*")
	return e.Seq > q.AfterSeq &&
		(q.From.IsZero() || !r.At.Before(q.From)) && (q.To.IsZero() || r.At.Before(q.To)) &&
		(q.Verb == r.Verb || isPrefix && strings.HasPrefix(r.Verb, prefix) || q.Verb == "") &&
		is(q.Kind, r.Kind) && is(q.Principal, r.Principal.Name) && is(q.Subject, r.Subject) &&
		is(q.Name, r.Name) && is(q.Project, r.Project) && is(q.Operation, r.Operation)
}

func is[T ~string](want, have T) bool { return want == "" || want == have }

// needles returns texts that every selected record's canonical form contains. Looking for them
// is far cheaper than decoding records only to drop them.
func (q *Query) needles() [][]byte {
	var out [][]byte
	add := func(prefix, value string) {
		if value != "" {
			text, err := encodeText(value)
			if err == nil {
				out = append(out, append([]byte(prefix), text...))
			}
		}
	}
	if !strings.HasSuffix(q.Verb, "*") {
		add(`"verb":`, q.Verb)
	}
	add(`"principal":{"name":`, q.Principal)
	add(`"subject":`, q.Subject)
	add(`"name":`, q.Name)
	add(`"operation":`, string(q.Operation))
	return out
}

// encodeText writes a string as encodeRecord does.
func encodeText(s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return escapeInvisible(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), err
}

// Records returns what the query selects, in the order it was recorded. Only acknowledged records
// are seen. A record that no longer fits its checksum ends the reading with ErrState.
func (j *Journal) Records(ctx context.Context, q Query) ([]Entry, error) {
	if q.Newest && q.Limit > 0 {
		return j.newest(ctx, q)
	}
	var out []Entry
	err := j.Walk(ctx, q, func(e Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// Walk calls fn for each record that the query selects, in order, holding one at a time.
func (j *Journal) Walk(ctx context.Context, q Query, fn func(Entry) error) error {
	n := 0
	for _, s := range j.segments(q) {
		_, err := j.read(ctx, s, 0, q, func(e Entry) error {
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
		part, err := j.newestOf(ctx, s, q, q.Limit-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(part, out...); len(out) == q.Limit {
			break
		}
	}
	return out, nil
}

// newestOf returns the last selected records of one segment, at most n. It reads ever longer ends
// of the file, since mostly the newest of all records are asked for.
func (j *Journal) newestOf(ctx context.Context, s segment, q Query, n int) ([]Entry, error) {
	for window := int64(64 << 10); ; window *= 4 {
		offset, err := j.lineAfter(s, s.size-window)
		if err != nil {
			return nil, err
		}
		var part []Entry
		_, err = j.read(ctx, s, offset, q, func(e Entry) error {
			if part = append(part, e); len(part) >= 2*n {
				part = append(part[:0], part[len(part)-n:]...)
			}
			return nil
		})
		if err != nil || len(part) >= n || offset == 0 {
			return part[max(0, len(part)-n):], err
		}
	}
}

// lineAfter returns the offset of the first line that begins behind offset.
func (j *Journal) lineAfter(s segment, offset int64) (int64, error) {
	if offset <= 0 {
		return 0, nil
	}
	f, err := os.Open(filepath.Join(j.dir, s.name()))
	if err != nil {
		return 0, fmt.Errorf("read the audit journal: %w", err)
	}
	defer f.Close()
	in := bufio.NewReader(io.NewSectionReader(f, offset, s.size-offset))
	for {
		c, err := in.ReadByte()
		if err == io.EOF {
			return s.size, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read the audit journal: %w", err)
		}
		if offset++; c == '\n' {
			return offset, nil
		}
	}
}

// segments returns those that can hold a selected record.
func (j *Journal) segments(q Query) []segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []segment
	for _, s := range j.index {
		if s.last >= s.first && s.last > q.AfterSeq && s.times.overlaps(q.From, q.To) {
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
	in := bufio.NewReaderSize(io.NewSectionReader(f, offset, s.size-offset), 64<<10)
	needles := q.needles()
	var spill []byte
	for n := 0; ; n++ {
		text, err := readLine(in, &spill)
		if err == io.EOF {
			return s.size, nil
		}
		if err == nil && n%256 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return offset, fmt.Errorf("read the audit journal: %w", err)
		}
		if !mayMatch(text, q.AfterSeq, needles) {
			continue
		}
		e, err := decodeLine(bytes.TrimSuffix(text, []byte("\n")))
		if err != nil {
			return offset, inventory.Errorf(inventory.ErrState,
				"the audit journal is damaged in %s: %w; run 'lodge audit verify'", s.name(), err)
		}
		if q.Matches(e) {
			if err := fn(e); err != nil {
				return offset, err
			}
		}
	}
}

// mayMatch reports whether a line is an entry that is worth decoding.
func mayMatch(text []byte, after int64, needles [][]byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte(`{"seq":`))
	if !ok {
		return false
	}
	if end := bytes.IndexByte(rest, ','); end > 0 {
		seq, err := strconv.ParseInt(string(rest[:end]), 10, 64)
		if err == nil && seq <= after {
			return false
		}
	}
	for _, n := range needles {
		if !bytes.Contains(text, n) {
			return false
		}
	}
	return true
}

func decodeLine(text []byte) (Entry, error) {
	e, err := parseEntry(text)
	if err != nil {
		return Entry{}, err
	}
	if e.own != e.hash {
		return Entry{}, fmt.Errorf("record %d does not fit its checksum", e.seq)
	}
	return e.decode()
}
