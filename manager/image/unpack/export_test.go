package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
)

// InspectAll runs the header checks over an archive, as extract does, and calls accepted with what
// passed. For fuzzing the rules without a child.
func InspectAll(r io.Reader, l Limits, accepted func(path string, kind byte, target string, uid, gid int, size int64)) error {
	archive := tar.NewReader(&meter{r: r, limit: l.Stream})
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := inspect(h, l)
		if err != nil {
			return err
		}
		if e != nil {
			accepted(e.Path, e.Type, e.Target, e.UID, e.GID, e.Size)
		}
	}
}

// ReadLayout takes a tar apart as extract does, without a child, and returns the paths that passed
// the header checks.
func ReadLayout(r io.Reader, l Limits) (m *Metadata, paths []string, err error) {
	f := newFront(l, func(h *tar.Header, _ io.Reader) error {
		e, err := inspect(h, l)
		if e != nil {
			paths = append(paths, e.Path)
		}
		return err
	})
	if err := readTar(r, l, f); err != nil {
		return nil, paths, err
	}
	m, err = f.metadata()
	return m, paths, err
}

// CheckMetadata is the agent's judgement of what a child answers.
func CheckMetadata(m *Metadata) bool { return m.check() }

// ReadSquashfs walks a squashfs as extract does, without a child, and reads all of its files.
func ReadSquashfs(raw []byte, l Limits, accepted func(path string, size int64)) error {
	fs, err := openSquashfs(bytes.NewReader(raw), int64(len(raw)), l)
	if err != nil {
		return err
	}
	left := l.Bytes
	return fs.walk(func(h *tar.Header, body io.Reader) error {
		e, err := inspect(h, l)
		if err != nil || e == nil {
			return err
		}
		if left -= e.Size; left < 0 {
			return refuse("more than %d bytes", l.Bytes)
		}
		accepted(e.Path, e.Size)
		_, err = io.Copy(io.Discard, body)
		return err
	})
}
