package main

import (
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// input prepares standard input. With a terminal every key goes to the container, but for the
// escape if there is one; restore may be called twice.
func input(c *cli.Context, tty, readOnly bool, escape byte, leave func()) (in io.Reader,
	restore func(), err error) {
	in, restore = c.App.Reader, func() {}
	if readOnly {
		in = nil
	}
	f, ok := c.App.Reader.(*os.File)
	if !tty || !ok || !term.IsTerminal(int(f.Fd())) {
		return in, restore, nil
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, restore, err
	}
	restore = func() { term.Restore(int(f.Fd()), old) }
	if escape != 0 || readOnly {
		in = &escaped{r: f, key: escape, leave: leave, mute: readOnly}
	}
	return in, restore, nil
}

// An escaped reader passes on what is typed, until the escape key is followed by q. The key twice
// sends it once.
type escaped struct {
	r       io.Reader
	key     byte
	leave   func()
	mute    bool // only the escape counts
	pending bool
}

func (e *escaped) Read(p []byte) (int, error) {
	buf := make([]byte, len(p)/2+1)
	for {
		n, err := e.r.Read(buf)
		out := e.filter(p[:0], buf[:n])
		if len(out) > 0 || err != nil {
			return len(out), err
		}
	}
}

func (e *escaped) filter(out, typed []byte) []byte {
	for _, b := range typed {
		switch {
		case e.pending && b == 'q':
			e.leave()
		case e.pending && b != e.key:
			out = append(out, e.key, b)
		case !e.pending && b == e.key:
			e.pending = true
			continue
		default:
			out = append(out, b)
		}
		e.pending = false
	}
	if e.mute {
		return out[:0]
	}
	return out
}
