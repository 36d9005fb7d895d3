package audit

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// segment is what is known of one segment file without reading its records.
type segment struct {
	first  int64
	last   int64  // first-1 while it is empty
	hash   Digest // of the last entry, or of the one before the segment
	times  span
	size   int64 // bytes that are acknowledged
	sealed bool
}

func (s *segment) name() string { return segmentName(s.first) }

const segmentSuffix = ".log"

// segmentName has as many digits as the greatest seq, so that names sort as segments do.
func segmentName(first int64) string { return fmt.Sprintf("%019d%s", first, segmentSuffix) }

// listSegments returns the seqs in the names of all segments of a folder, ascending.
func listSegments(dir string) ([]int64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []int64
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), segmentSuffix)
		first, err := strconv.ParseInt(digits, 10, 64)
		if ok && err == nil && segmentName(first) == f.Name() {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// readSealed reads the header and the seal of a segment that is not the last one. What lies
// between is left to Verify: opening has to be fast however long the journal is.
func readSealed(dir string, first int64) (header, segment, error) {
	name := segmentName(first)
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return header{}, segment{}, err
	}
	defer f.Close()
	var h line
	err = scan(f, func(l line) error { h = l; return errStop })
	if err != nil && err != errStop {
		return header{}, segment{}, err
	}
	text, size, err := lastLine(f)
	if err != nil {
		return header{}, segment{}, err
	}
	var s seal
	if h.kind != lineHeader || parsePlain(text, "seal", &s) != nil {
		return header{}, segment{}, fmt.Errorf("segment %s lacks its first or its last line", name)
	}
	return h.header, segment{first: s.First, last: s.Last, hash: s.Hash, size: size,
		times: span{s.From, s.To}, sealed: true}, nil
}

// lastLine returns the last line of a file without its newline, and the file's size.
func lastLine(f *os.File) ([]byte, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	tail := make([]byte, min(info.Size(), 1024)) // a seal has less than 400 bytes
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil && err != io.EOF {
		return nil, 0, err
	}
	tail, _ = bytes.CutSuffix(tail, []byte("\n"))
	return tail[bytes.LastIndexByte(tail, '\n')+1:], info.Size(), nil
}

// createSegment makes a segment that holds only its header. It appears under its name whole and
// durable or not at all: a crash leaves a .tmp file, which the next Open removes.
func createSegment(d disk, dir string, h header) (f file, text []byte, err error) {
	path := filepath.Join(dir, segmentName(h.First))
	if f, err = d.Open(path+".tmp", true); err != nil {
		return nil, nil, err
	}
	text = appendPlain(nil, "", h)
	err = writeDurable(f, text)
	if err == nil {
		err = d.Rename(path+".tmp", path)
	}
	if err == nil {
		err = d.SyncDir(dir)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, text, nil
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
