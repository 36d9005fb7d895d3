package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrDetached says that the connection is gone and the session is not known to have ended: Redial
// and Run again to go on without loss.
var ErrDetached = errors.New("the connection to the session is gone; the session goes on")

// ErrProtocol is the name of the error kind of a refused attachment whose kind is unknown.
const ErrProtocol = "invalid"

// A Client is one side of a session, over one connection after the other. What it has read of the
// input and what it has written of the output is kept over connections, so that a session resumed
// with Redial and Run loses and repeats nothing.
type Client struct {
	// ReadOnly clients send no input. The holder enforces what the agent says; this only saves
	// reading from stdin.
	ReadOnly bool
	// Size is that of the terminal when the client attaches; zero for none. Run keeps it current.
	Size Size
	// OnWelcome, when set, is called when the holder has let the client in.
	OnWelcome func(Welcome)
	// OnGap, when set, is called when output is missing: the holder kept only the end of it.
	OnGap func()

	mu      sync.Mutex // guards what follows
	link    *link
	input   inputWindow
	have    int64 // cursor of what has been written out
	acked   int64
	reading bool // stdin's reader runs
}

// Dial returns a client over a fresh connection.
func Dial(conn io.ReadWriteCloser) *Client {
	c := &Client{link: &link{conn: conn}}
	c.input.cond = sync.NewCond(&c.mu)
	return c
}

// Redial gives the client a new connection after ErrDetached.
func (c *Client) Redial(conn io.ReadWriteCloser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = &link{conn: conn}
}

// A link is one connection. A sender that is left over from a broken one can't reach the next.
type link struct {
	mu   sync.Mutex // one frame at a time
	conn io.ReadWriteCloser
}

func (l *link) write(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.conn.Write(frame)
	return err
}

func (c *Client) current() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

// Offsets returns how far the client is: the cursor behind the output it has written out, and the
// bytes of input the holder has confirmed.
func (c *Client) Offsets() (output, input int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.have, c.input.base
}

// Run carries input and output until the command ends, and returns how. A nil stdin is an empty
// one. ErrDetached means that the connection broke; stdin goes on being read by the same goroutine
// at the next Run. When ctx ends the connection is closed and the session goes on without us.
func (c *Client) Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, resize <-chan Size) (Exit, error) {
	l := c.current()
	defer l.conn.Close()
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	done := make(chan struct{})
	defer close(done)
	if err := c.hello(l); err != nil {
		return Exit{}, c.broken(ctx, err)
	}
	exit, err := c.receive(l, stdin, stdout, stderr, func() { go c.resizes(l, resize, done) })
	if err != nil {
		return Exit{}, c.broken(ctx, err)
	}
	return exit, nil
}

// Signal sends a Linux signal number to the command.
func (c *Client) Signal(number int) error {
	return c.current().write(Append(nil, TypeSignal, []byte{byte(number)}))
}

// Detach closes the connection; the session goes on.
func (c *Client) Detach() error { return c.current().conn.Close() }

func (c *Client) hello(l *link) error {
	c.mu.Lock()
	h := Hello{Have: c.have, Columns: int(c.Size.Columns), Rows: int(c.Size.Rows)}
	c.acked = c.have
	c.mu.Unlock()
	frame, err := AppendJSON(nil, TypeHello, h)
	if err != nil {
		return err
	}
	return l.write(frame)
}

// receive handles frames until Exit. welcomed is called once the holder has let us in.
func (c *Client) receive(l *link, stdin io.Reader, stdout, stderr io.Writer, welcomed func()) (Exit, error) {
	defer c.input.stop()
	r := NewReader(l.conn)
	for {
		f, err := r.Read()
		if err != nil {
			return Exit{}, err
		}
		switch f.Type {
		case TypeWelcome:
			if err := c.welcome(l, f, stdin); err != nil {
				return Exit{}, err
			}
			welcomed()
		case TypeStdout:
			err = c.output(l, f, stdout, r.Buffered())
		case TypeStderr:
			err = c.output(l, f, stderr, r.Buffered())
		case TypeStdinAck:
			err = c.confirmed(f)
		case TypeGap:
			err = c.gap(f)
		case TypeExit:
			return c.ended(l, f)
		case TypeError:
			var refusal Error
			if err = f.Decode(&refusal); err == nil {
				err = &refusal
			}
		}
		if err != nil {
			return Exit{}, err
		}
	}
}

func (c *Client) welcome(l *link, f Frame, stdin io.Reader) error {
	var w Welcome
	if err := f.Decode(&w); err != nil {
		return err
	}
	if c.OnWelcome != nil {
		c.OnWelcome(w)
	}
	if c.ReadOnly || w.ReadOnly {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.input.resume(w)
	if !c.reading {
		c.reading = true
		go c.read(stdin)
	}
	go c.send(l, c.input.generation)
	return nil
}

// ackEvery is how much output is written out before the holder is told while more keeps coming.
const ackEvery = 64 << 10

func (c *Client) output(l *link, f Frame, w io.Writer, more bool) error {
	cursor, data, err := f.Offset()
	if err != nil {
		return err
	}
	if w != nil {
		if _, err := w.Write(data); err != nil {
			return &outputError{err}
		}
	}
	c.mu.Lock()
	c.have = cursor
	due := !more || c.have-c.acked >= ackEvery
	if due {
		c.acked = c.have
	}
	c.mu.Unlock()
	if !due || c.ReadOnly {
		return nil
	}
	return l.write(AppendOffset(nil, TypeAck, cursor, nil))
}

// outputError is a failure of our own side: attaching again would not help.
type outputError struct{ err error }

func (e *outputError) Error() string { return fmt.Sprintf("write output: %v", e.err) }
func (e *outputError) Unwrap() error { return e.err }

func (c *Client) confirmed(f Frame) error {
	offset, _, err := f.Offset()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.input.confirm(offset)
}

func (c *Client) gap(f Frame) error {
	cursor, _, err := f.Offset()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.have = cursor
	c.mu.Unlock()
	if c.OnGap != nil {
		c.OnGap()
	}
	return nil
}

func (c *Client) ended(l *link, f Frame) (Exit, error) {
	var e Exit
	if err := f.Decode(&e); err != nil {
		return Exit{}, err
	}
	// The holder may be gone by now, and with it the connection: that changes nothing.
	_ = l.write(Append(nil, TypeBye))
	return e, nil
}

// broken says what an error of the connection means to the caller.
func (c *Client) broken(ctx context.Context, err error) error {
	var refused *Error
	var ours *outputError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused), errors.As(err, &ours), errors.Is(err, ErrFrame):
		return err
	}
	return fmt.Errorf("%w (%w)", ErrDetached, err)
}

func (c *Client) resizes(l *link, sizes <-chan Size, done <-chan struct{}) {
	for {
		select {
		case s, ok := <-sizes:
			if !ok {
				return
			}
			c.mu.Lock()
			c.Size = s
			c.mu.Unlock()
			if l.write(AppendResize(nil, s)) != nil {
				return
			}
		case <-done:
			return
		}
	}
}
