package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Finished segment is one to which nothing will be added.
type Finished struct {
	Name        string // of its file
	First, Last int64  // numbers of its records
	bytes       int64  // that count
}

// Finished returns the finished segments that hold records above after, oldest first. Those in the
// archive are not among them.
func (j *Journal) Finished(after int64) (out []Finished) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.index {
		if (s.sealed || i < len(j.index)-1) && s.last >= s.first && s.last > after {
			out = append(out, Finished{s.name(), s.first, s.last, s.size})
		}
	}
	return out
}

// Read opens the bytes of a finished segment that count.
func (j *Journal) Read(s Finished) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(j.dir, s.Name))
	if errors.Is(err, fs.ErrNotExist) { // it was archived meanwhile
		f, err = os.Open(filepath.Join(j.dir, ArchiveName, s.Name))
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, 0, s.bytes), f}, nil
}
