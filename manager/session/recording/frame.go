package recording

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Kind says what a frame holds.
type Kind byte

const (
	KindMeta   Kind = 'h' // Meta as JSON: the first frame
	KindOutput Kind = 'o' // what the terminal showed, or the standard output
	KindError  Kind = 'e' // the standard error
	KindResize Kind = 'r' // "COLUMNSxROWS"
	KindMark   Kind = 'm' // a remark of Lodge's own, that the container can't make
	KindExit   Kind = 'x' // the exit code, in decimal
)

// A Frame is one thing that happened. Data is valid until the next one is read.
type Frame struct {
	At   time.Duration // since the session began
	Kind Kind
	Data []byte
}

// Meta says what session it was.
type Meta struct {
	Session   string    `json:"session"`
	Container string    `json:"container"`
	Began     time.Time `json:"began"`
	Columns   int       `json:"columns"`
	Rows      int       `json:"rows"`
	Term      string    `json:"term,omitempty"`
	TTY       bool      `json:"tty"`
	Command   string    `json:"command,omitempty"` // the full line
}

// Name begins each file.
const Name = "lodge.recording 1\n"

// Block kinds.
const (
	blockHeader = 1
	blockFrames = 2
	blockEnd    = 3
)

const (
	blockHead = 1 + 4 + sha256.Size
	// blockFull is how many bytes of frames are gathered in a block at most, but for the last frame.
	blockFull = 256 << 10
	// maxData bounds one frame, maxBlock a payload and what it unpacks to: a reader's memory.
	maxData  = 64 << 10
	maxBlock = 1 << 20
)

// ErrBroken says that a recording is not as it was written.
var ErrBroken = errors.New("the recording was changed or is damaged")

type header struct {
	Version int       `json:"version"`
	Began   time.Time `json:"began"`
	Key     []byte    `json:"key,omitempty"` // sealed; see Key
}

type trailer struct {
	Frames    int64 `json:"frames"`
	Bytes     int64 `json:"bytes"` // of output
	Truncated bool  `json:"truncated,omitempty"`
}

// sumOf is the sum of a block.
func sumOf(before [sha256.Size]byte, kind byte, payload []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(before[:])
	h.Write([]byte{kind})
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(payload))))
	h.Write(payload)
	h.Sum(sum[:0])
	return sum
}

func appendFrame(b []byte, since time.Duration, k Kind, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(max(since.Microseconds(), 0)))
	b = append(b, byte(k))
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// cutFrame takes the first frame off b.
func cutFrame(b []byte) (f Frame, rest []byte, err error) {
	us, n := binary.Uvarint(b)
	if n <= 0 || us > uint64(1<<62)/1000 || len(b) < n+1 {
		return f, nil, fmt.Errorf("%w: a frame has no time", ErrBroken)
	}
	f.At, f.Kind = time.Duration(us)*time.Microsecond, Kind(b[n])
	b = b[n+1:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > maxData || uint64(len(b)-n) < size {
		return f, nil, fmt.Errorf("%w: a frame has no end", ErrBroken)
	}
	f.Data = b[n : n+int(size)]
	return f, b[n+int(size):], nil
}
