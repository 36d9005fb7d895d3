package stream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"lodge/manager/session/stream"
)

// pair returns a client and the holder's end of its connection.
func pair() (*stream.Client, net.Conn) {
	a, b := net.Pipe()
	return stream.Dial(a), b
}

// holderSays plays a holder: it reads Hello, says frames, then reads on until the end.
func holderSays(conn net.Conn, frames ...[]byte) {
	go func() {
		r := stream.NewReader(conn)
		r.Read()
		go func() {
			for {
				if _, err := r.Read(); err != nil {
					return
				}
			}
		}()
		for _, f := range frames {
			conn.Write(f)
		}
	}()
}

func message(t stream.Type, v any) []byte {
	frame, err := stream.AppendJSON(nil, t, v)
	if err != nil {
		panic(err)
	}
	return frame
}

func TestClientEnds(t *testing.T) {
	welcome := message(stream.TypeWelcome, stream.Welcome{})
	ack := func(n int64) []byte { return stream.AppendOffset(nil, stream.TypeStdinAck, n, nil) }
	for _, tc := range []struct {
		name   string
		frames [][]byte
		want   error
	}{
		{"well", [][]byte{welcome, message(stream.TypeExit, stream.Exit{Code: 3})}, nil},
		{"by a broken frame", [][]byte{{0x82, 0, 0, 0, 1, 0}}, stream.ErrFrame},
		{"by input confirmed that was never sent", [][]byte{welcome, ack(1 << 40)}, stream.ErrFrame},
		{"by a frame without end", [][]byte{{0x82, 0xff, 0xff, 0xff, 0xff}}, stream.ErrFrame},
		{"by no JSON", [][]byte{stream.Append(nil, stream.TypeExit, []byte("["))}, stream.ErrFrame},
		{"unknown frames are left aside", [][]byte{welcome, stream.Append(nil, 0xee, []byte("new")), message(stream.TypeExit, stream.Exit{})}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, conn := pair()
			holderSays(conn, tc.frames...)
			_, err := client.Run(context.Background(), strings.NewReader("in"), io.Discard, nil, nil)
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestClientRefused(t *testing.T) {
	client, conn := pair()
	holderSays(conn, message(stream.TypeError, stream.Error{Kind: "busy", Message: "ann is attached"}))
	_, err := client.Run(context.Background(), nil, nil, nil, nil)
	var refused *stream.Error
	if !errors.As(err, &refused) || refused.Kind != "busy" {
		t.Errorf("got %v", err)
	}
}

func TestClientResumes(t *testing.T) {
	client, conn := pair()
	var out bytes.Buffer
	go func() {
		r := stream.NewReader(conn)
		r.Read() // Hello
		conn.Write(message(stream.TypeWelcome, stream.Welcome{}))
		r.Read() // the first input, which then is lost on the way
		go io.Copy(io.Discard, conn)
		conn.Write(stream.AppendOffset(nil, stream.TypeStdout, 100, []byte("one ")))
		conn.Close()
	}()
	_, err := client.Run(context.Background(), strings.NewReader("typed"), &out, nil, nil)
	if !errors.Is(err, stream.ErrDetached) {
		t.Fatalf("got %v", err)
	}
	if have, _ := client.Offsets(); have != 100 {
		t.Fatalf("has %d", have)
	}
	a, b := net.Pipe()
	client.Redial(a)
	got := make(chan string, 1)
	go func() {
		r := stream.NewReader(b)
		f, _ := r.Read()
		var hello stream.Hello
		f.Decode(&hello)
		b.Write(message(stream.TypeWelcome, stream.Welcome{}))
		f, _ = r.Read()
		_, data, _ := f.Offset()
		if hello.Have != 100 {
			data = []byte("wrong cursor")
		}
		got <- string(data)
		go io.Copy(io.Discard, b)
		b.Write(stream.AppendOffset(nil, stream.TypeStdout, 117, []byte("two")))
		b.Write(message(stream.TypeExit, stream.Exit{Kind: stream.Exited}))
	}()
	if _, err := client.Run(context.Background(), nil, &out, nil, nil); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "typed" || out.String() != "one two" {
		t.Errorf("sent again %q, got %q", text, out.String())
	}
}

func TestClientLeaves(t *testing.T) {
	client, conn := pair()
	holderSays(conn, message(stream.TypeWelcome, stream.Welcome{}))
	ctx, cancel := context.WithCancel(context.Background())
	client.OnWelcome = func(stream.Welcome) { cancel() }
	if _, err := client.Run(ctx, nil, nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A broken stdout is ours: attaching again would not help.
func TestClientOutputFails(t *testing.T) {
	client, conn := pair()
	holderSays(conn, message(stream.TypeWelcome, stream.Welcome{}), stream.AppendOffset(nil, stream.TypeStdout, 9, []byte("x")))
	_, err := client.Run(context.Background(), nil, broken{}, nil, nil)
	if !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, stream.ErrDetached) {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
