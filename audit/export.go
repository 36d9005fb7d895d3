package audit

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/inventory"
)

// exportName is the file of a bundle that says, signed, which records it holds: without it a journal
// whose first segments are gone could be passed off as an export.
const exportName = "export"

const exportDomain = "lodge.audit/export"

// exported says which records a bundle holds: whole segments, so mostly more than was asked for.
type exported struct {
	Origin      string
	First, Last int64
	At          time.Time
}

func (e *exported) text() string {
	return fmt.Sprintf("%s\n%s\n%d %d\nat %s\n", exportDomain, e.Origin, e.First, e.Last, e.At.UTC().Format(time.RFC3339Nano))
}

// readExport reads the statement of a bundle; fs.ErrNotExist when there is none.
func readExport(s source, c *checker) (e exported, err error) {
	text, err := readAll(s, exportName)
	if err != nil {
		return e, err
	}
	for _, key := range c.keys {
		body, err := openNote(text, c.header.Origin, key)
		if err != nil {
			continue
		}
		var at string
		n, _ := fmt.Sscanf(body, exportDomain+"\n"+c.header.Origin+"\n%d %d\nat %s\n", &e.First, &e.Last, &at)
		e.Origin = c.header.Origin
		if e.At, err = time.Parse(time.RFC3339Nano, at); n == 3 && err == nil && e.text() == body {
			return e, nil
		}
	}
	return e, fmt.Errorf("none of the journal's keys signed it")
}

// Export writes a bundle: a tar file of the segments that hold records from and to these times, zero
// for no bound, with the last checkpoint in them. Verify takes it as it does the folder.
func (j *Journal) Export(w io.Writer, from, to time.Time) error {
	b, err := j.bundle(from, to)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	err = b.each(func(name string, size int64, r io.Reader) error { return addFile(t, name, size, r, b.at) })
	if err != nil {
		return err
	}
	return t.Close()
}

// bundle is what an export holds.
type bundle struct {
	dir        string
	at         time.Time
	statement  string
	checkpoint []byte
	segments   []segment
}

func (j *Journal) bundle(from, to time.Time) (*bundle, error) {
	parts, e, latest, err := j.parts(from, to)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return &bundle{j.dir, e.At, string(signNote(e.text(), e.Origin, j.key)), latest, parts}, nil
}

// each calls add for every file.
func (b *bundle) each(add func(name string, size int64, r io.Reader) error) error {
	if err := add(exportName, int64(len(b.statement)), strings.NewReader(b.statement)); err != nil {
		return err
	}
	if err := add(checkpointName, int64(len(b.checkpoint)), strings.NewReader(string(b.checkpoint))); err != nil {
		return err
	}
	for _, s := range b.segments {
		f, err := os.Open(filepath.Join(b.dir, s.name()))
		if err == nil {
			err = add(s.name(), s.size, f)
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", s.name(), err)
		}
	}
	return nil
}

func addFile(t *tar.Writer, name string, size int64, r io.Reader, at time.Time) error {
	h := tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: at, Format: tar.FormatPAX}
	if err := t.WriteHeader(&h); err != nil {
		return err
	}
	_, err := io.CopyN(t, r, size)
	return err
}

// parts chooses the segments of an export, and the last checkpoint in them.
func (j *Journal) parts(from, to time.Time) (parts []segment, e exported, latest []byte, err error) {
	j.mu.Lock()
	all, last := append([]segment(nil), j.index...), j.last
	j.mu.Unlock()
	for i, s := range all {
		if s.last >= s.first && s.times.overlaps(from, to) {
			parts = all[:i+1]
		}
	}
	for len(parts) > 1 && !parts[0].times.overlaps(from, to) {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return nil, e, nil, inventory.Errorf(inventory.ErrNotFound, "the audit journal has no record between these times")
	}
	end := parts[len(parts)-1]
	e = exported{Origin: j.origin, First: parts[0].first, Last: end.last, At: j.now()}
	latest = last.Note
	if end.first != last.Segment {
		latest, err = lastCheckpoint(j.dir, end)
	}
	return parts, e, latest, err
}

// lastCheckpoint returns the last one of a segment.
func lastCheckpoint(dir string, s segment) (note []byte, err error) {
	f, err := os.Open(filepath.Join(dir, s.name()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := newFrameReader(io.NewSectionReader(f, 0, s.size), 0, false)
	for {
		fr, err := r.next()
		if err == io.EOF {
			return note, nil
		}
		if err != nil {
			return nil, err
		}
		if fr.kind == frameCheckpoint {
			note = append(note[:0], fr.payload...)
		}
	}
}
