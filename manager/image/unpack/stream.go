package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxWindow is the largest back-reference window taken: that of `zstd --long` and `xz -9` with
// room to spare. Larger ones are refused, or they would be memory an archive can ask for.
const maxWindow = 128 << 20

// decompress finds out by its first bytes what r is compressed with.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	magic, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) == 0 {
		return nil, refuse("the archive is empty")
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return opened(gzip.NewReader(b))
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		return opened(d, err)
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return opened(xz.NewReader(b))
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(b), nil
	}
	return b, nil
}

func opened[R io.Reader](r R, err error) (io.Reader, error) {
	if err != nil {
		return nil, refuse("the archive can't be decompressed: %v", err)
	}
	return r, nil
}

// A meter counts what passes, stops at a limit, and remembers the last 1024 bytes: they tell an
// archive that ended from one that was cut off, which archive/tar does not.
type meter struct {
	r     io.Reader
	limit int64
	n     int64
	last  []byte
}

const trailer = 1024 // two blocks of zeros (POSIX pax, "ustar Interchange Format")

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.n > m.limit {
		return 0, refuse("the archive unfolds to more than %d bytes", m.limit)
	}
	m.last = append(m.last, p[max(0, n-trailer):n]...)
	m.last = m.last[max(0, len(m.last)-trailer):]
	return n, err
}

// finish checks that the archive was ended, and that only padding follows.
func (m *meter) finish() error {
	if len(m.last) < trailer || len(bytes.Trim(m.last, "\x00")) > 0 {
		return refuse("the archive is cut off: its end mark is missing")
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := m.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return refuse("the archive is followed by something else")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
