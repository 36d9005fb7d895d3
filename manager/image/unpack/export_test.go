package unpack

import (
	"archive/tar"
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
