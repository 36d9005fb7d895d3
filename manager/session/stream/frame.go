package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type says what a frame is.
type Type uint8

// From a client to the holder. The first frame on a connection is Attach, written by the agent;
// the second is the client's Hello.
const (
	TypeHello    Type = 0x01 // Hello as JSON
	TypeStdin    Type = 0x02 // offset of the first byte (8 bytes), data
	TypeStdinEOF Type = 0x03 // offset of the end (8 bytes): half close
	TypeResize   Type = 0x04 // columns, rows (2 bytes each)
	TypeSignal   Type = 0x05 // a Linux signal number (1 byte)
	TypeAck      Type = 0x06 // cursor (8 bytes): written out, never to be sent again
	TypeBye      Type = 0x07 // empty: Exit has arrived and all before it is written out
)

// From the agent to the holder.
const (
	TypeAttach Type = 0x40 // Attach as JSON
	TypeKill   Type = 0x41 // Kill as JSON: end the session and all its processes
)

// From the holder to a client.
const (
	TypeWelcome  Type = 0x81 // Welcome as JSON
	TypeStdout   Type = 0x82 // cursor behind this frame (8 bytes), data
	TypeStderr   Type = 0x83 // the same
	TypeStdinAck Type = 0x84 // offset (8 bytes): the command has been given the bytes before it
	TypeGap      Type = 0x85 // cursor (8 bytes): output before it that was not sent is gone
	TypeExit     Type = 0x86 // Exit as JSON: nothing follows
	TypeError    Type = 0x87 // Error as JSON: this attachment is over, the session may go on
	TypeRoot     Type = 0x88 // recording.Root as JSON, to the agent alone: what is recorded so far
)

// Limits of the protocol, in bytes.
const (
	HeaderSize = 5
	CursorSize = 8
	MaxData    = 64 << 10             // of data in one frame
	MaxPayload = MaxData + CursorSize // of any frame
	Window     = 256 << 10            // of input in flight
)

// ErrFrame is a violation of the protocol by the other side.
var ErrFrame = errors.New("the other side broke the session protocol")

// A Frame is one message. Payload is valid until the next Read.
type Frame struct {
	Type    Type
	Payload []byte
}

// Offset returns the leading number of a frame that has one, and the data behind it.
func (f Frame) Offset() (offset int64, data []byte, err error) {
	if len(f.Payload) < CursorSize {
		return 0, nil, fmt.Errorf("%w: frame %#x of %d bytes lacks its offset", ErrFrame, f.Type, len(f.Payload))
	}
	n := binary.BigEndian.Uint64(f.Payload)
	if n > 1<<62 {
		return 0, nil, fmt.Errorf("%w: frame %#x has the offset %d", ErrFrame, f.Type, n)
	}
	return int64(n), f.Payload[CursorSize:], nil
}

// A Reader reads frames.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

// NewReader returns a reader of frames.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, MaxPayload+HeaderSize)}
}

// Read returns the next frame. io.EOF means the stream ended between two frames,
// io.ErrUnexpectedEOF within one. Memory is bounded by MaxPayload whatever the other side sends.
func (r *Reader) Read() (Frame, error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return Frame{}, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > MaxPayload {
		return Frame{}, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", ErrFrame, size, MaxPayload)
	}
	if cap(r.buf) < int(size) {
		r.buf = make([]byte, MaxPayload)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	return Frame{Type: Type(head[0]), Payload: r.buf}, nil
}

// Buffered reports whether more has already arrived, so that acknowledgements can be gathered.
func (r *Reader) Buffered() bool { return r.r.Buffered() > 0 }

// Append appends a frame to b: header, and the payload in parts.
func Append(b []byte, t Type, payload ...[]byte) []byte {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	b = append(b, byte(t))
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	for _, p := range payload {
		b = append(b, p...)
	}
	return b
}

// AppendOffset appends a frame that begins with an offset or cursor.
func AppendOffset(b []byte, t Type, offset int64, data []byte) []byte {
	b = append(b, byte(t))
	b = binary.BigEndian.AppendUint32(b, uint32(CursorSize+len(data)))
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	return append(b, data...)
}
