package recording

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// ErrUnfinished says that a recording has no end: the session goes on, or its host went down.
var ErrUnfinished = errors.New("the recording has no end")

// ErrSealed says that a recording is sealed for somebody else.
var ErrSealed = errors.New("the recording is sealed: it takes the secret age key of one of its recipients")

// A Reader reads a recording. What it reads may be hostile: memory is bounded, and every block is
// checked before it is unpacked.
type Reader struct {
	Meta Meta

	in      *bufio.Reader
	sum     [sha256.Size]byte
	number  uint64
	sealer  *sealer
	decoder *zstd.Decoder
	frames  []byte
	at      time.Duration
	end     *trailer
}

// NewReader reads as far as Meta. ErrSealed without an identity that opens it.
func NewReader(in io.Reader, ids ...Identity) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 64<<10)}
	name := make([]byte, len(Name))
	if _, err := io.ReadFull(r.in, name); err != nil || string(name) != Name {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrBroken)
	}
	kind, payload, err := r.block()
	if err != nil {
		return nil, err
	}
	var h header
	if kind != blockHeader || json.Unmarshal(payload, &h) != nil || h.Version != 1 {
		return nil, fmt.Errorf("%w: its header can't be read", ErrBroken)
	}
	if err := r.unseal(h.Key, ids); err != nil {
		return nil, err
	}
	if r.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock)); err != nil {
		return nil, err
	}
	f, err := r.Next()
	if err == nil && (f.Kind != KindMeta || json.Unmarshal(f.Data, &r.Meta) != nil) {
		err = fmt.Errorf("%w: it does not say what session it is of", ErrBroken)
	}
	return r, err
}

func (r *Reader) unseal(key []byte, ids []Identity) error {
	if len(key) == 0 {
		return nil
	}
	if len(ids) == 0 {
		return ErrSealed
	}
	secret, err := openKey(key, ids)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrSealed, err)
	}
	r.sealer, err = newSealer(secret)
	return err
}

// Next returns the next frame; io.EOF behind the last one, ErrUnfinished where a recording stops
// without an end, ErrBroken where it is not as it was written.
func (r *Reader) Next() (Frame, error) {
	for len(r.frames) == 0 {
		if err := r.fill(); err != nil {
			return Frame{}, err
		}
	}
	f, rest, err := cutFrame(r.frames)
	if err != nil {
		return f, err
	}
	r.frames = rest
	r.at += f.At
	f.At = r.at
	return f, nil
}

// Truncated reports, at the end, whether the session showed more than is in the recording.
func (r *Reader) Truncated() bool { return r.end != nil && r.end.Truncated }

func (r *Reader) fill() error {
	if r.end != nil {
		return io.EOF
	}
	kind, payload, err := r.block()
	if err != nil {
		return err
	}
	switch kind {
	case blockFrames:
		r.number++
		plain, err := r.sealer.open(r.number, payload)
		if err == nil {
			r.frames, err = r.decoder.DecodeAll(plain, r.frames[:0])
		}
		if err != nil {
			return fmt.Errorf("%w: block %d: %w", ErrBroken, r.number, err)
		}
		return nil
	case blockEnd:
		r.end = &trailer{}
		if json.Unmarshal(payload, r.end) != nil {
			return fmt.Errorf("%w: its end can't be read", ErrBroken)
		}
		if _, err := r.in.ReadByte(); err != io.EOF {
			return fmt.Errorf("%w: something follows its end", ErrBroken)
		}
		return io.EOF
	}
	return fmt.Errorf("%w: there is no block of kind %d", ErrBroken, kind)
}

// block reads one and checks its sum.
func (r *Reader) block() (kind byte, payload []byte, err error) {
	var head [blockHead]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, cutOff(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxBlock {
		return 0, nil, fmt.Errorf("%w: a block of %d bytes", ErrBroken, size)
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return 0, nil, cutOff(err)
	}
	r.sum = sumOf(r.sum, head[0], payload)
	if r.sum != [sha256.Size]byte(head[5:]) {
		return 0, nil, fmt.Errorf("%w: block %d is not the one that was recorded", ErrBroken, r.number+1)
	}
	return head[0], payload, nil
}

func cutOff(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrUnfinished
	}
	return err
}
