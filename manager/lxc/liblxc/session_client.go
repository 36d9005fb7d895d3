package liblxc

import (
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/session/stream"
)

// A client is one attachment: the writer, a watcher, or the agent's control connection. Its pump
// is the only one to write to conn, its reader the only one to read. The holder's mutex guards the
// rest.
type client struct {
	stream.Attach
	conn     net.Conn
	seq      int   // in the order the connections came in
	pos      int64 // of the next output to send
	told     int64 // input offset last acknowledged
	rooted   int64 // bytes of the recording the agent knows the root of
	out      []byte
	refusal  *stream.Error // to be sent, then the end
	gone     bool
	sentExit bool
	bye      bool
}

// helloTimeout bounds how long a connection may say nothing at first.
const helloTimeout = 30 * time.Second

func (h *holder) serveConn(conn net.Conn, seq int) {
	defer conn.Close()
	c := &client{conn: conn, seq: seq}
	r := stream.NewReader(conn)
	conn.SetReadDeadline(time.Now().Add(helloTimeout))
	if err := h.greet(c, r); err != nil {
		return
	}
	conn.SetReadDeadline(time.Time{})
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		h.pump(c)
	}()
	err := h.listen(c, r)
	if err != nil && err != io.EOF {
		h.refuse(c, "invalid", err.Error())
		<-pumped
	}
	h.detach(c)
}

// greet reads the agent's word and the client's, and lets the client in.
func (h *holder) greet(c *client, r *stream.Reader) error {
	if err := readJSON(r, stream.TypeAttach, &c.Attach); err != nil {
		return err
	}
	var hello stream.Hello
	if !c.Control {
		if err := readJSON(r, stream.TypeHello, &hello); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = true
	if c.Control {
		return nil
	}
	if c.pos = hello.Have; !h.spool.isStart(c.pos) && c.pos > h.spool.base || c.pos < 0 {
		c.refusal = &stream.Error{Kind: "invalid", Message: fmt.Sprintf("no output ends at %d", c.pos)}
		return nil
	}
	if !c.ReadOnly && h.claim(c) {
		h.resize(stream.Size{Columns: uint16(hello.Columns), Rows: uint16(hello.Rows)})
	}
	c.told = h.input.given
	c.out, _ = stream.AppendJSON(nil, stream.TypeWelcome,
		stream.Welcome{Session: h.ID, Stdin: h.input.given,
			Received: h.input.received(), TTY: h.tty, ReadOnly: c.ReadOnly})
	return nil
}

// claim makes c the writer. The same person may take a session over from a connection of theirs
// that has not noticed its end yet; another is told who writes.
func (h *holder) claim(c *client) bool {
	if w := h.writer; w != nil && w.Principal != c.Principal {
		c.refusal = &stream.Error{Kind: "busy", Message: fmt.Sprintf(
			"%s is attached to this session; attach read-only to watch", w.Principal)}
		return false
	} else if w != nil && w.seq > c.seq {
		// Ours is the connection that broke; the one that replaced it was quicker to be greeted.
		c.refusal = &stream.Error{Kind: "stale", Message: "another connection has taken this session over"}
		return false
	} else if w != nil {
		w.refusal = &stream.Error{Kind: "stale", Message: "another connection has taken this session over"}
	}
	h.writer = c
	h.cond.Broadcast()
	return true
}

func (h *holder) refuse(c *client, kind, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.refusal = &stream.Error{Kind: kind, Message: message}
	h.cond.Broadcast()
}

func (h *holder) detach(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.gone = true
	delete(h.clients, c)
	if h.writer == c {
		h.writer = nil
		if h.Attached && h.exit == nil && h.pid != 0 {
			h.abandon()
		}
	}
	h.trim()
	h.cond.Broadcast()
}

// abandon closes what the command reads and writes: the kernel hangs up a terminal, and of pipes the
// command learns at its next read or write. Whether it goes on is for it to say, as after sshd(8).
func (h *holder) abandon() {
	for _, end := range h.ends {
		end.SetDeadline(time.Unix(1, 0)) // a read under way would keep it open
		end.Close()
	}
	h.input.closed, h.input.eof = true, true
	h.acked = h.spool.end
	h.fetched = true
}

// abandonUnclaimed is for an attached session whose client died before it came.
func (h *holder) abandonUnclaimed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writer == nil && h.exit == nil && h.pid != 0 {
		h.abandon()
	}
}

// listen handles what a client sends until it leaves.
func (h *holder) listen(c *client, r *stream.Reader) error {
	for {
		f, err := r.Read()
		if err != nil {
			return err
		}
		h.mu.Lock()
		err = h.handle(c, f)
		h.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// handle acts on one frame. Only the writer's frames do anything, but for Bye and Kill.
func (h *holder) handle(c *client, f stream.Frame) error {
	switch {
	case f.Type == stream.TypeKill && c.Control:
		return h.kill(f)
	case c != h.writer:
		return nil
	}
	switch f.Type {
	case stream.TypeStdin:
		offset, data, err := f.Offset()
		if err != nil {
			return err
		}
		h.active = time.Now()
		return h.input.accept(offset, data)
	case stream.TypeStdinEOF:
		offset, _, err := f.Offset()
		if err != nil {
			return err
		}
		return h.input.end(offset)
	case stream.TypeAck:
		return h.ack(c, f)
	case stream.TypeResize:
		size, err := f.Size()
		h.resize(size)
		return err
	case stream.TypeSignal:
		n, err := f.Signal()
		h.signal(unix.Signal(n))
		return err
	case stream.TypeBye:
		// It may be quicker than our noting that Exit was sent.
		c.bye = true
		h.fetched = h.fetched || c.sentExit
		h.cond.Broadcast()
	}
	return nil
}

func (h *holder) ack(c *client, f stream.Frame) error {
	cursor, _, err := f.Offset()
	if err != nil || cursor > c.pos {
		return fmt.Errorf("%w: acknowledged output that was not sent", stream.ErrFrame)
	}
	h.acked = max(h.acked, cursor)
	h.trim()
	h.cond.Broadcast()
	return nil
}

// resize sets the terminal's size; the kernel tells the foreground processes (SIGWINCH).
func (h *holder) resize(s stream.Size) {
	if h.entered.terminal < 0 || h.dead || s.Columns == 0 || s.Rows == 0 {
		return
	}
	unix.IoctlSetWinsize(h.entered.terminal, unix.TIOCSWINSZ, &unix.Winsize{Col: s.Columns, Row: s.Rows})
	h.record.resize(s)
}

// signal signals the command's process group; with a terminal the one in its foreground, as a key
// would.
func (h *holder) signal(s unix.Signal) {
	if h.dead || h.pid == 0 {
		return
	}
	group := h.pid
	if h.tty {
		if n, err := unix.IoctlGetInt(h.entered.terminal, unix.TIOCGPGRP); err == nil && n > 1 {
			group = n
		}
	}
	if unix.Kill(-group, s) != nil {
		unix.Kill(h.pid, s)
	}
}

func readJSON(r *stream.Reader, t stream.Type, v any) error {
	f, err := r.Read()
	if err != nil {
		return err
	}
	if f.Type != t {
		return fmt.Errorf("%w: frame %#x instead of %#x", stream.ErrFrame, f.Type, t)
	}
	return f.Decode(v)
}
