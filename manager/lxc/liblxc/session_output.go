package liblxc

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/session/stream"
)

// How much output the spool holds, in bytes.
const (
	pipeWindow     = 4 << 20   // written out by no client yet, while one is attached
	terminalWindow = 256 << 10 // the same; small, so that Ctrl-C is seen soon
	terminalTail   = 1 << 20   // of a terminal nobody is attached to
	terminalKeep   = 128 << 10 // of a terminal for whoever attaches next: the last screens
)

// read carries one of the command's descriptors into the spool.
func (h *holder) read(f *os.File, fd int, t stream.Type) {
	h.readers.Add(1)
	go func() {
		defer h.readers.Done()
		buf := make([]byte, stream.MaxData)
		for {
			n, err := f.Read(buf)
			if n > 0 {
				h.output(t, buf[:n])
			}
			if os.IsTimeout(err) {
				h.drain(fd, t, buf)
				return
			}
			if err != nil {
				return // EOF; EIO for a terminal that nobody has open any more
			}
		}
	}()
	go func() {
		h.mu.Lock()
		for !h.dead {
			h.cond.Wait()
		}
		h.mu.Unlock()
		if h.Attached && !h.tty {
			return // whoever else holds it open is waited for; see abandon
		}
		f.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	}()
}

// drain takes what the ended command has left. It does not wait for the end of the stream: a
// background process may keep it open for ever.
func (h *holder) drain(fd int, t stream.Type, buf []byte) {
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN && h.tty && pollIn(fd):
		case err != nil || n <= 0:
			return
		default:
			h.output(t, buf[:n])
		}
	}
}

// pollIn waits a moment for input. What was written to a terminal reaches the other end by a
// kernel worker (tty_flip_buffer_push), so nothing there yet is not the same as nothing.
func pollIn(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 20)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
}

// output spools data and wakes the clients. It blocks, and with it the command, while the spool is
// full.
func (h *holder) output(t stream.Type, data []byte) {
	h.record.output(t, data)
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.isFull() {
		h.cond.Wait()
	}
	if err := h.spool.append(t, data); err != nil {
		fmt.Fprintf(os.Stderr, "spool: %v\n", err) // a full disk: the output is lost, the command goes on
		h.lost += int64(len(data))
	}
	h.bytes += int64(len(data))
	h.active = time.Now()
	h.trim()
	h.cond.Broadcast()
}

// isFull decides who waits. A console never makes its container wait; a terminal only for a client
// that is there; pipes also when nobody is, once the spool is full, since theirs is data.
func (h *holder) isFull() bool {
	unacked := h.spool.end - max(h.acked, h.spool.base)
	switch {
	case h.dead || h.pid == 0:
		return false
	case h.tty && h.writer == nil:
		return false
	case h.tty:
		return unacked >= terminalWindow
	case h.writer == nil:
		return unacked >= h.Spool
	}
	return unacked >= pipeWindow
}

// trim lets go of output by the same rules.
func (h *holder) trim() {
	before := max(h.spool.base, h.acked)
	switch {
	case h.tty && (h.writer == nil || h.pid == 0):
		h.spool.dropTo(h.spool.end - terminalTail)
	case h.tty:
		h.spool.dropTo(min(h.acked, h.spool.end-terminalKeep))
	default:
		h.spool.dropTo(h.acked)
	}
	if h.spool.base > before {
		h.lost += h.spool.base - before
	}
}
