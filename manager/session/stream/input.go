package stream

import (
	"fmt"
	"io"
	"sync"
)

// inputWindow holds the input that has been read and not been confirmed, at most Window bytes, so
// that it can be sent again over another connection. Guarded by the client's mutex.
type inputWindow struct {
	cond *sync.Cond
	data []byte
	base int64 // offset of data[0]
	sent int64 // offset up to which this connection has been sent
	eof  bool
	told bool // the end has been sent on this connection
	// generation counts connections; a sender of an older one stops.
	generation int
}

func (w *inputWindow) end() int64 { return w.base + int64(len(w.data)) }

// resume starts a connection. What the command has not been given is sent again: the holder leaves
// out what it has, and its memory stays within one Window however often a client comes back. Input
// of another client meanwhile moves us behind it, and so does being new.
func (w *inputWindow) resume(hi Welcome) {
	if hi.Received > w.end() {
		w.data, w.base = w.data[:0], hi.Received
	} else if hi.Stdin > w.base {
		w.drop(hi.Stdin)
	}
	w.sent, w.told = w.base, false
	w.generation++
	w.cond.Broadcast()
}

// confirm drops what the holder has.
func (w *inputWindow) confirm(offset int64) error {
	if offset > w.end() {
		return fmt.Errorf("%w: input confirmed up to %d of %d", ErrFrame, offset, w.end())
	}
	if offset <= w.base {
		return nil
	}
	w.drop(offset)
	w.sent = max(w.sent, offset)
	w.cond.Broadcast()
	return nil
}

func (w *inputWindow) drop(offset int64) {
	w.data = append(w.data[:0], w.data[offset-w.base:]...)
	w.base = offset
}

// stop ends the sender of the present connection.
func (w *inputWindow) stop() {
	w.cond.L.Lock()
	defer w.cond.L.Unlock()
	w.generation++
	w.cond.Broadcast()
}

// read fills the window from stdin until its end. It belongs to the client, not to a connection: a
// blocked read of a terminal can't be taken back.
func (c *Client) read(stdin io.Reader) {
	buf := make([]byte, MaxData/2)
	for {
		n, err := 0, io.EOF
		if stdin != nil {
			n, err = stdin.Read(buf)
		}
		c.mu.Lock()
		for len(c.input.data)+n > Window {
			c.input.cond.Wait()
		}
		c.input.data = append(c.input.data, buf[:n]...)
		c.input.eof = err != nil
		c.input.cond.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send carries the window's unsent part over one connection.
func (c *Client) send(l *link, generation int) {
	for {
		frame, ok := c.nextInput(generation)
		if !ok || l.write(frame) != nil {
			return
		}
	}
}

// nextInput waits for something to send; ok is false when the connection or the input has ended.
func (c *Client) nextInput(generation int) (frame []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.input
	for {
		switch {
		case w.generation != generation:
			return nil, false
		case w.sent < w.end():
			rest := w.data[w.sent-w.base:]
			n := min(len(rest), MaxData)
			frame = AppendOffset(nil, TypeStdin, w.sent, rest[:n])
			w.sent += int64(n)
			return frame, true
		case w.eof && !w.told:
			w.told = true
			return AppendOffset(nil, TypeStdinEOF, w.sent, nil), true
		case w.eof:
			return nil, false
		}
		w.cond.Wait()
	}
}
