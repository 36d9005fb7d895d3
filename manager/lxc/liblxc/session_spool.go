package liblxc

import (
	"encoding/binary"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/manager/session/stream"
)

// A spool keeps the output of a session as the very frames that go over the wire, in an unnamed
// file: it vanishes with the holder and is no burden on memory. Positions never start over; what
// nobody needs any more is punched out of the file. The holder's mutex guards it.
type spool struct {
	dir       string
	file      *os.File
	base, end int64   // what is there: [base, end), whole frames
	index     []int64 // ascending starts of frames, the first at or before base
	punched   int64
	scratch   []byte
}

const (
	// indexStep is the distance of the known frame starts, in bytes: with 1 GiB spooled the index
	// holds 64 Ki entries.
	indexStep = 16 << 10
	// punchStep is how much is gathered before a hole is punched: each is a file system transaction.
	punchStep = 1 << 20
	blockSize = 4096
)

// append adds one frame of output. Its cursor is the position behind it.
func (s *spool) append(t stream.Type, data []byte) error {
	if s.file == nil {
		file, err := unnamed(s.dir)
		if err != nil {
			return err
		}
		s.file = file
	}
	behind := s.end + stream.HeaderSize + stream.CursorSize + int64(len(data))
	s.scratch = stream.AppendOffset(s.scratch[:0], t, behind, data)
	if _, err := s.file.WriteAt(s.scratch, s.end); err != nil {
		return err
	}
	if n := len(s.index); n == 0 || s.end-s.index[n-1] >= indexStep {
		s.index = append(s.index, s.end)
	}
	s.end = behind
	return nil
}

// read fills buf, which holds at least one frame of the largest size, with whole frames from pos.
func (s *spool) read(pos int64, buf []byte) (int, error) {
	want := min(int64(len(buf)), s.end-pos)
	n, err := s.file.ReadAt(buf[:want], pos)
	if int64(n) < want {
		return 0, err
	}
	whole := 0
	for n-whole >= stream.HeaderSize {
		size := stream.HeaderSize + int(binary.BigEndian.Uint32(buf[whole+1:]))
		if size > n-whole {
			break
		}
		whole += size
	}
	return whole, nil
}

// isStart reports whether a frame starts at pos.
func (s *spool) isStart(pos int64) bool {
	if pos == s.end || pos == s.base {
		return true
	}
	if pos < s.base || pos > s.end {
		return false
	}
	at := s.before(pos)
	var head [stream.HeaderSize]byte
	for at < pos {
		if _, err := s.file.ReadAt(head[:], at); err != nil {
			return false
		}
		at += stream.HeaderSize + int64(binary.BigEndian.Uint32(head[1:]))
	}
	return at == pos
}

// before returns the last known start of a frame at or before pos.
func (s *spool) before(pos int64) int64 {
	i, exact := slices.BinarySearch(s.index, pos)
	if exact {
		return pos
	}
	if i == 0 {
		return s.base
	}
	return max(s.index[i-1], s.base)
}

// dropTo lets go of what lies before pos, at the precision of the index.
func (s *spool) dropTo(pos int64) {
	if pos >= s.end {
		s.base, s.index = s.end, s.index[:0]
	} else if start := s.before(pos); start > s.base {
		s.base = start
		i, _ := slices.BinarySearch(s.index, start)
		s.index = slices.Delete(s.index, 0, i)
	}
	to := s.base / blockSize * blockSize
	if s.file != nil && to-s.punched >= punchStep {
		// Where the file system can't punch, the space comes back when the holder ends.
		unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
			s.punched, to-s.punched)
		s.punched = to
	}
}

// unnamed opens a file without a name in dir.
func unnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	file, err := os.CreateTemp(dir, ".spool-*")
	if err == nil {
		os.Remove(file.Name())
	}
	return file, err
}
