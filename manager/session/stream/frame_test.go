package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"lodge/manager/session/stream"
)

func TestReader(t *testing.T) {
	whole := stream.AppendOffset(nil, stream.TypeStdout, 21, []byte("text"))
	long := binary.BigEndian.AppendUint32([]byte{byte(stream.TypeStdin)}, stream.MaxPayload+1)
	for _, tc := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"half a header", whole[:3], io.ErrUnexpectedEOF},
		{"a header alone", whole[:5], io.ErrUnexpectedEOF},
		{"half a payload", whole[:10], io.ErrUnexpectedEOF},
		{"too long", long, stream.ErrFrame},
		{"longer than memory", []byte{1, 0xff, 0xff, 0xff, 0xff}, stream.ErrFrame},
		{"whole", whole, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := stream.NewReader(bytes.NewReader(tc.in)).Read()
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err != nil {
				return
			}
			if offset, data, err := f.Offset(); offset != 21 || string(data) != "text" || err != nil {
				t.Errorf("got %d %q %v", offset, data, err)
			}
		})
	}
}

func TestMalformedPayloads(t *testing.T) {
	for _, tc := range []struct {
		name  string
		parse func() error
	}{
		{"offset too short", func() error { _, _, err := stream.Frame{Payload: []byte{1, 2}}.Offset(); return err }},
		{"offset negative", func() error { _, _, err := stream.Frame{Payload: bytes.Repeat([]byte{0xff}, 8)}.Offset(); return err }},
		{"size too long", func() error { _, err := stream.Frame{Payload: make([]byte, 5)}.Size(); return err }},
		{"signal 0", func() error { _, err := stream.Frame{Payload: []byte{0}}.Signal(); return err }},
		{"signal 65", func() error { _, err := stream.Frame{Payload: []byte{65}}.Signal(); return err }},
		{"no JSON", func() error { return stream.Frame{Payload: []byte("{")}.Decode(&stream.Exit{}) }},
	} {
		if err := tc.parse(); !errors.Is(err, stream.ErrFrame) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := stream.AppendJSON(nil, stream.TypeError, stream.Error{Message: strings.Repeat("x", stream.MaxPayload)}); err == nil {
		t.Error("a control frame longer than a frame was made")
	}
	if _, err := (stream.Spec{User: "a\x00b"}).Encode(); err == nil {
		t.Error("a spec with a NUL was made")
	}
}

// Whatever arrives, a reader ends with an error or frames that are within the limits.
func FuzzReader(f *testing.F) {
	f.Add(stream.AppendOffset(nil, stream.TypeStdout, 1, []byte("x")))
	f.Add(stream.AppendResize(stream.Append(nil, stream.TypeBye), stream.Size{Columns: 80, Rows: 24}))
	f.Add([]byte{0x82, 0, 1, 0, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := stream.NewReader(bytes.NewReader(in))
		read := 0
		for {
			frame, err := r.Read()
			if err != nil {
				return
			}
			read += stream.HeaderSize + len(frame.Payload)
			if len(frame.Payload) > stream.MaxPayload || read > len(in) {
				t.Fatalf("a frame of %d bytes, %d read of %d", len(frame.Payload), read, len(in))
			}
			frame.Offset()
			frame.Size()
			frame.Signal()
			frame.Decode(&stream.Welcome{})
		}
	})
}
