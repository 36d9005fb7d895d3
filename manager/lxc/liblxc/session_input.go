package liblxc

import (
	"fmt"
	"os"
	"sync"

	"lodge/manager/session/stream"
)

// input is what clients have sent and the command has not been given yet: at most one Window. The
// holder's mutex guards it.
type input struct {
	cond   *sync.Cond
	data   []byte
	given  int64 // offset of data[0]
	eof    bool
	closed bool // the command takes no more: the rest is thrown away
}

func (in *input) received() int64 { return in.given + int64(len(in.data)) }

// accept takes data that begins at offset. What is there already is left out: a client that came
// back sends what it can't know to have arrived.
func (in *input) accept(offset int64, data []byte) error {
	have := in.received()
	if offset > have {
		return fmt.Errorf("%w: input at %d, expected %d", stream.ErrFrame, offset, have)
	}
	if skip := have - offset; skip < int64(len(data)) {
		data = data[skip:]
	} else {
		return nil
	}
	if in.closed {
		in.given += int64(len(data))
	} else if in.eof {
		return fmt.Errorf("%w: input after its end", stream.ErrFrame)
	} else if len(in.data)+len(data) > stream.Window {
		return fmt.Errorf("%w: more input than the window", stream.ErrFrame)
	} else {
		in.data = append(in.data, data...)
	}
	in.cond.Broadcast()
	return nil
}

// end notes that nothing follows offset.
func (in *input) end(offset int64) error {
	if offset > in.received() {
		return fmt.Errorf("%w: input ends at %d, expected %d", stream.ErrFrame, offset, in.received())
	}
	in.eof = true
	in.cond.Broadcast()
	return nil
}

// eot is what a terminal in canonical mode takes for the end of input (VEOF, termios(3)).
const eot = 4

// feed gives the input to the command.
func (h *holder) feed(f *os.File) {
	for {
		chunk, ok := h.nextInput()
		if !ok {
			break
		}
		_, err := f.Write(chunk)
		h.mu.Lock()
		in := &h.input
		in.data = append(in.data[:0], in.data[len(chunk):]...)
		in.given += int64(len(chunk))
		if err != nil { // EPIPE: the command has closed its input
			in.given += int64(len(in.data))
			in.data, in.closed = nil, true
		}
		h.cond.Broadcast()
		h.mu.Unlock()
		if err != nil {
			break
		}
	}
	if h.entered.terminal < 0 {
		f.Close()
	} else if h.pid != 0 {
		f.Write([]byte{eot})
	}
}

// nextInput waits for input; ok is false at its end. The chunk is a copy of its own.
func (h *holder) nextInput() (chunk []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := &h.input
	for len(in.data) == 0 && !in.eof && !h.dead {
		h.cond.Wait()
	}
	if len(in.data) == 0 {
		return nil, false
	}
	return append([]byte(nil), in.data...), true
}
