package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"lodge/inventory"
	"lodge/manager/session/recording"
	"lodge/manager/session/stream"
	"lodge/web/client"
	"lodge/web/wire"
)

const (
	// redialFor is how long a session waits for an agent that is away before it gives up; the
	// session itself goes on, and can be attached to later.
	redialFor   = 10 * time.Minute
	redialPause = 300 * time.Millisecond
)

// errLeft says that the person left the session, which goes on.
var errLeft = errors.New("left")

// stay carries input and output until the session ends. When the agent goes away it waits and goes
// on with the next one: nothing is lost or repeated.
func stay(c *cli.Context, api *client.Client, s wire.Session, readOnly bool, escape byte) error {
	// The session's connections don't end with the first Ctrl-C: without a terminal that is the
	// command's to handle, and with one it is a key like any other.
	ctx, leave := context.WithCancelCause(context.WithoutCancel(c.Context))
	defer leave(nil)
	if s.TTY {
		defer context.AfterFunc(c.Context, func() { leave(errLeft) })() // SIGTERM
	}
	conn, err := redial(ctx, api, s, readOnly)
	if err != nil {
		return notRun(c, err)
	}
	in, restore, err := input(c, s.TTY, readOnly, escape, func() { leave(errLeft) })
	if err != nil {
		return err
	}
	defer restore()
	sc := stream.Dial(conn)
	sc.ReadOnly, sc.Size = readOnly, terminalSize()
	sc.OnGap = func() { fmt.Fprint(c.App.ErrWriter, "\r\nlodge: some output is missing here\r\n") }
	if !s.TTY {
		defer forwardSignals(sc)()
	}
	exit, err := carry(ctx, c, api, sc, s, in, readOnly)
	restore()
	switch {
	case errors.Is(context.Cause(ctx), errLeft):
		fmt.Fprintf(c.App.ErrWriter, "\nleft; the session goes on: lodge session attach %s\n", s.ID)
		return nil
	case err != nil:
		return notRun(c, err)
	}
	return ended(c, exit)
}

// carry runs the client over one connection after the other.
func carry(ctx context.Context, c *cli.Context, api *client.Client, sc *stream.Client,
	s wire.Session, in io.Reader, readOnly bool) (stream.Exit, error) {
	sizes, stop := windowSizes()
	defer stop()
	out := c.App.Writer
	if readOnly { // whoever looks on is not to be steered by what they see
		out = recording.NewFilter(out)
		defer restoreTerminal(c)
	}
	for {
		exit, err := sc.Run(ctx, in, out, c.App.ErrWriter, sizes)
		if !errors.Is(err, stream.ErrDetached) || ctx.Err() != nil {
			return exit, err
		}
		conn, err := api.Stream(ctx, s.ID, readOnly)
		if errors.Is(err, inventory.ErrUnavailable) {
			fmt.Fprint(c.App.ErrWriter, awayText(s.TTY))
			conn, err = redial(ctx, api, s, readOnly)
		}
		if over, ok := endedMeanwhile(ctx, api, s.ID, err); ok {
			return over, nil
		}
		if err != nil {
			return exit, fmt.Errorf("%w; when the agent is back: lodge session attach %s", err, s.ID)
		}
		sc.Size = terminalSize()
		sc.Redial(conn)
	}
}

// endedMeanwhile tells how a session ended that can't be attached to any more since it is over.
func endedMeanwhile(ctx context.Context, api *client.Client, id inventory.SessionID,
	err error) (stream.Exit, bool) {
	if err == nil || errors.Is(err, inventory.ErrUnavailable) {
		return stream.Exit{}, false
	}
	s, err := api.Session(ctx, id)
	if err != nil || s.EndedAt.IsZero() {
		return stream.Exit{}, false
	}
	return stream.Exit{Code: s.ExitCode,
		Message: "the session ended while the agent was away; its last output may be missing"}, true
}

// awayText says why nothing moves; a raw terminal needs its carriage returned.
func awayText(raw bool) string {
	if raw {
		return "\r\nlodge: the agent is away, waiting ...\r\n"
	}
	return "lodge: the agent is away, waiting ...\n"
}

// redial attaches to the session, waiting for an agent that is away.
func redial(ctx context.Context, api *client.Client, s wire.Session,
	readOnly bool) (io.ReadWriteCloser, error) {
	for end := time.Now().Add(redialFor); ; {
		conn, err := api.Stream(ctx, s.ID, readOnly)
		if err == nil || !errors.Is(err, inventory.ErrUnavailable) || time.Now().After(end) {
			return conn, err
		}
		if err := pause(ctx, redialPause); err != nil {
			return nil, err
		}
	}
}

// forwardSignals sends Ctrl-C and SIGTERM to a command that has no terminal to get them from.
func forwardSignals(sc *stream.Client) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, forwarded...)
	go func() {
		for s := range signals {
			if n := signalNumber(s); n > 0 {
				sc.Signal(n) // the command may have ended meanwhile
			}
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

// terminalSize is that of the terminal we run on; zero where there is none.
func terminalSize() stream.Size {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return stream.Size{}
	}
	return stream.Size{Columns: uint16(columns), Rows: uint16(rows)}
}
