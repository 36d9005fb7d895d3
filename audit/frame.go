package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// A segment is a sequence of frames; FORMAT.md describes them byte by byte.
//
//	length of the payload u32 | CRC-32C u32 | kind u8 | payload
//
// The checksum covers length, kind and payload. It finds what a disk or a crash did; what a person
// did is found by the tree and its signatures, since anybody can compute a checksum.

type frameKind byte

const (
	frameHeader     frameKind = 1
	frameEvent      frameKind = 2
	frameCheckpoint frameKind = 3
	frameSeal       frameKind = 4
)

const (
	frameHead = 4 + 4 + 1
	// maxPayload is far more than any frame that is written: no file can make a reader hold more.
	maxPayload = MaxRecord + 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame writes a frame.
func appendFrame(dst []byte, kind frameKind, payload []byte) []byte {
	var head [frameHead]byte
	binary.BigEndian.PutUint32(head[:4], uint32(len(payload)))
	head[8] = byte(kind)
	binary.BigEndian.PutUint32(head[4:8], frameSum(head[:], payload))
	return append(append(dst, head[:]...), payload...)
}

func frameSum(head, payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, head[:4])
	sum = crc32.Update(sum, castagnoli, head[8:9])
	return crc32.Update(sum, castagnoli, payload)
}

// A frame as it was read.
type frame struct {
	kind    frameKind
	offset  int64  // where it begins
	end     int64  // offset of what follows it
	payload []byte // valid until the next frame is read
	// sum is SHA-256 of all bytes of the segment before the frame; for checkpoints and seals only.
	sum Digest
}

var (
	// errTorn: the file ends within a frame, as after a crash.
	errTorn = errors.New("the file ends within a frame")
	// errFrame: a frame that does not fit its checksum, or is none.
	errFrame = errors.New("the frame does not fit its checksum")
)

// frameReader reads the frames of a segment. It judges shape only.
type frameReader struct {
	in     *bufio.Reader
	sum    hash.Hash // nil when nobody asks for sums
	offset int64
	buf    []byte
}

func newFrameReader(r io.Reader, offset int64, sums bool) *frameReader {
	size := int64(256 << 10)
	if s, ok := r.(*io.SectionReader); ok {
		size = min(size, s.Size())
	}
	f := &frameReader{in: bufio.NewReaderSize(r, int(size)), offset: offset}
	if sums {
		f.sum = sha256.New()
	}
	return f
}

// next returns the next frame, io.EOF at the end. After errFrame the reader stands behind the frame
// as its length says, which may be anywhere; after errTorn and other errors there is nothing more.
func (f *frameReader) next() (frame, error) {
	fr := frame{offset: f.offset}
	var head [frameHead]byte
	if n, err := io.ReadFull(f.in, head[:]); err != nil {
		f.offset += int64(n)
		return fr, torn(err)
	}
	size := binary.BigEndian.Uint32(head[:4])
	fr.kind = frameKind(head[8])
	if size > maxPayload || fr.kind < frameHeader || fr.kind > frameSeal {
		// The length can't be believed. One byte is surely wrong; the rest is not looked at.
		f.offset += frameHead
		return fr, errFrame
	}
	if cap(f.buf) < int(size) {
		f.buf = make([]byte, max(int(size), 4096))
	}
	fr.payload = f.buf[:size]
	n, err := io.ReadFull(f.in, fr.payload)
	f.offset += frameHead + int64(n)
	fr.end = f.offset
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fr, torn(err)
	}
	if f.sum != nil {
		if fr.kind >= frameCheckpoint {
			f.sum.Sum(fr.sum[:0])
		}
		f.sum.Write(head[:])
		f.sum.Write(fr.payload)
	}
	if binary.BigEndian.Uint32(head[4:8]) != frameSum(head[:], fr.payload) {
		return fr, errFrame
	}
	return fr, nil
}

func torn(err error) error {
	if err == io.ErrUnexpectedEOF {
		return errTorn
	}
	return err
}

// A Digest is a SHA-256 hash, written as 64 lower-case hexadecimal digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return errors.New("a digest has 64 digits")
	}
	_, err := hex.Decode(d[:], text)
	return err
}
