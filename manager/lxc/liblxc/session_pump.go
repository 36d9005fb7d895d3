package liblxc

import "lodge/manager/session/stream"

// pump sends a client what there is for it, until it is gone.
func (h *holder) pump(c *client) {
	buf := make([]byte, 4*(stream.MaxPayload+stream.HeaderSize))
	for {
		out, then := h.next(c, buf)
		if len(out) > 0 {
			if _, err := c.conn.Write(out); err != nil {
				then = hangUp
			}
		}
		h.sent(c, then)
		switch then {
		case hangUp:
			c.conn.Close() // wakes the reader
			return
		case last:
			return
		}
	}
}

// sent notes that a client has been told of the end.
func (h *holder) sent(c *client, then sequel) {
	if then != last {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.sentExit = true
	h.fetched = h.fetched || c.bye
	h.cond.Broadcast()
}

// sequel says what a pump does when it has sent what it was given.
type sequel int

const (
	more   sequel = iota
	last          // nothing follows; the client may still say Bye
	hangUp        // nothing follows, and nothing is to be heard
)

// next waits for something to send and returns it.
func (h *holder) next(c *client, buf []byte) (out []byte, then sequel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.hasNews(c) {
		h.cond.Wait()
	}
	out, c.out = c.out, nil
	switch {
	case c.gone:
		return nil, hangUp
	case c.refusal != nil:
		out, _ = stream.AppendJSON(out, stream.TypeError, c.refusal)
		return out, hangUp
	case c.Control && h.root.Bytes > c.rooted:
		c.rooted = h.root.Bytes
		out, _ = stream.AppendJSON(out, stream.TypeRoot, h.root)
		return out, more
	case c.Control:
		out, _ = stream.AppendJSON(out, stream.TypeExit, h.exit)
		return out, last
	}
	return h.nextOutput(c, out, buf)
}

func (h *holder) hasNews(c *client) bool {
	if c.gone || c.refusal != nil || len(c.out) > 0 {
		return true
	}
	if c.Control {
		return h.settled || h.root.Bytes > c.rooted
	}
	return c.pos < h.spool.end || h.exit != nil || c == h.writer && c.told < h.input.given
}

func (h *holder) nextOutput(c *client, out, buf []byte) ([]byte, sequel) {
	if c == h.writer && c.told < h.input.given {
		c.told = h.input.given
		out = stream.AppendOffset(out, stream.TypeStdinAck, c.told, nil)
	}
	if c.pos < h.spool.base {
		if h.lost > 0 || c.pos > 0 {
			out = stream.AppendOffset(out, stream.TypeGap, h.spool.base, nil)
		}
		c.pos = h.spool.base
	}
	if c.pos < h.spool.end {
		n, err := h.spool.read(c.pos, buf)
		if err != nil || n == 0 {
			c.refusal = &stream.Error{Kind: "unavailable", Message: "the session's output can't be read"}
			return out, more
		}
		c.pos += int64(n)
		if len(out) == 0 {
			return buf[:n], more
		}
		return append(out, buf[:n]...), more
	}
	if h.exit == nil {
		return out, more
	}
	out, _ = stream.AppendJSON(out, stream.TypeExit, h.exit)
	return out, last
}
