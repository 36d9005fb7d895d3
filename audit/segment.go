package audit

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// segment is what is known of one segment file without reading its records.
type segment struct {
	first  int64
	last   int64 // first-1 while it is empty
	times  span
	size   int64 // bytes that are acknowledged
	sealed bool
}

func (s *segment) name() string { return segmentName(s.first) }

const (
	segmentSuffix = ".seg"
	// sealSuffix names what is kept of a segment that was archived: its seal and last checkpoint.
	sealSuffix = ".seal"
	// oldSuffix is that of segments of version 1.
	oldSuffix = ".log"
)

// segmentName has as many digits as the greatest number, so that names sort as segments do.
func segmentName(first int64) string { return fmt.Sprintf("%019d%s", first, segmentSuffix) }

// listSegments returns the numbers in the names of all segments of a folder, ascending.
func listSegments(dir string) ([]int64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return segmentsIn(names), nil
}

// hasOldSegments reports whether the folder holds a journal of version 1.
func hasOldSegments(dir string) bool {
	old, _ := filepath.Glob(filepath.Join(dir, strings.Repeat("[0-9]", 19)+oldSuffix))
	return len(old) > 0
}

// maxHeader is more than a header has: some keys and at most 63 hashes.
const maxHeader = 64 << 10

// readHeader reads the first frame of a segment.
func readHeader(dir string, first int64) (h header, err error) {
	f, err := os.Open(filepath.Join(dir, segmentName(first)))
	if err != nil {
		return h, err
	}
	defer f.Close()
	fr, err := newFrameReader(io.NewSectionReader(f, 0, maxHeader), 0, false).next()
	if err == nil {
		err = decodeExact(fr.payload, &h)
	}
	if err != nil || fr.kind != frameHeader {
		return h, fmt.Errorf("segment %s does not begin as one: %w", segmentName(first), err)
	}
	return h, nil
}

// createSegment makes a segment that holds its header and a checkpoint. It appears under its name
// whole and durable or not at all: a crash leaves a .tmp file, which the next Open removes.
func (w *writer) createSegment(h header) (f file, s segment, err error) {
	path := filepath.Join(w.dir, segmentName(h.First))
	if f, err = w.disk.Open(path+".tmp", true); err != nil {
		return nil, s, err
	}
	text := appendFrame(nil, frameHeader, encodeJSON(h))
	c := Checkpoint{Origin: h.Origin, Size: h.First - 1, Root: w.edge.root(), At: w.now().UTC().Round(0),
		Segment: h.First, Offset: int64(len(text)), Sum: sha256.Sum256(text)}
	c.sign(w.key)
	text = appendFrame(text, frameCheckpoint, c.Note)
	err = writeDurable(f, text)
	if err == nil {
		err = w.disk.Rename(path+".tmp", path)
	}
	if err == nil {
		err = w.disk.SyncDir(w.dir)
	}
	if err != nil {
		f.Close()
		return nil, s, err
	}
	w.sum = sha256.New()
	w.sum.Write(text)
	w.last = c
	return f, segment{first: h.First, last: h.First - 1, size: int64(len(text))}, nil
}

func writeDurable(f file, text []byte) error {
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	return f.Datasync()
}

// overlaps reports whether a record of the segment can lie between from and to; zero times are no
// bound.
func (s *span) overlaps(from, to time.Time) bool {
	return (from.IsZero() || !s.to.Before(from)) && (to.IsZero() || s.from.Before(to))
}
