package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/manager/session/recording"
)

// formatRecording exports a recording as it is.
const formatRecording = "recording"

func identityFlag() cli.Flag {
	return &cli.StringFlag{Name: "identity", Usage: "secret age key that opens a sealed recording: `FILE`"}
}

func replayCommand() *cli.Command {
	return &cli.Command{Name: "replay", Usage: "show what a session showed", ArgsUsage: "ID|FILE",
		Action: replaySession, BashComplete: completeSessions,
		Description: "What would do more to this terminal than show something is left out: titles, the clipboard, questions it would answer.\n" +
			"Not on a terminal, nothing is waited for. Each look at a recording is in the audit log.",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "speed", Value: 1, Usage: "so many times as fast: `N`; 0 waits for nothing"},
			&cli.DurationFlag{Name: "idle", Value: 3 * time.Second, Usage: "wait at most `TIME` where nothing was shown"},
			&cli.BoolFlag{Name: "raw", Usage: "leave nothing out; not on a terminal"}, identityFlag()}}
}

func castCommand() *cli.Command {
	formats := []string{string(recording.AsciicastV3), string(recording.AsciicastV2), formatRecording}
	return &cli.Command{Name: "export", Usage: "write a recording for other players, or as it is", ArgsUsage: "ID|FILE",
		BashComplete: completeSessions, Flags: []cli.Flag{identityFlag(), &cli.StringFlag{Name: "format",
			Value: formats[0], Usage: fmt.Sprintf("one of %v", formats)}},
		Action: func(c *cli.Context) error {
			if !slices.Contains(formats, c.String("format")) {
				return usage("there is no format %q; there are %v", c.String("format"), formats)
			}
			return withRecording(c, exportRecording)
		}}
}

// withRecording has the recording of a session, or one that lies here as a file.
func withRecording(c *cli.Context, do func(c *cli.Context, file *os.File) error) error {
	if c.NArg() != 1 {
		return usage("session %s needs the id of a session, or a file", c.Command.Name)
	}
	name := c.Args().First()
	if file, err := os.Open(name); err == nil {
		defer file.Close()
		return do(c, file)
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	file, err := os.CreateTemp("", "lodge-*"+".rec")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := api.Recording(c.Context, file, inventory.SessionID(name)); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return do(c, file)
}

func openRecording(c *cli.Context, file io.Reader) (*recording.Reader, error) {
	var ids []recording.Identity
	if name := c.String("identity"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("--identity: %v", err)
		}
		defer f.Close()
		if ids, err = recording.ParseIdentities(f); err != nil {
			return nil, usage("--identity %s: %v", name, err)
		}
	}
	r, err := recording.NewReader(file, ids...)
	if errors.Is(err, recording.ErrSealed) {
		return nil, inventory.Errorf(inventory.ErrDenied, "%v; give it with --identity", err)
	}
	return r, ofRecording(err)
}

// ofRecording says what an error of reading means for the reader.
func ofRecording(err error) error {
	if errors.Is(err, recording.ErrBroken) {
		return inventory.Errorf(inventory.ErrState, "%v; 'lodge audit verify' compares it with what is on record", err)
	}
	return err
}

func exportRecording(c *cli.Context, file *os.File) error {
	if c.String("format") == formatRecording {
		_, err := io.Copy(c.App.Writer, file)
		return err
	}
	r, err := openRecording(c, file)
	if err != nil {
		return err
	}
	err = recording.Export(c.App.Writer, r, recording.Format(c.String("format")))
	if errors.Is(err, recording.ErrUnfinished) {
		fmt.Fprintf(c.App.ErrWriter, "lodge: %v: the session goes on, or its holder was killed\n", err)
		return nil
	}
	return ofRecording(err)
}

func replaySession(c *cli.Context) error {
	if c.Bool("raw") && isTerminal(c.App.Writer) {
		return usage("--raw is not for a terminal, which would obey what is shown; send it to a file")
	}
	return withRecording(c, func(c *cli.Context, file *os.File) error {
		r, err := openRecording(c, file)
		if err != nil {
			return err
		}
		p := player{show: c.App.Writer, tell: c.App.ErrWriter, speed: c.Float64("speed"), idle: c.Duration("idle")}
		if !c.Bool("raw") {
			p.show = recording.NewFilter(c.App.Writer)
		}
		if isTerminal(c.App.Writer) {
			p.compare(r.Meta)
			defer restoreTerminal(c)
		} else {
			p.speed = 0
		}
		return ofRecording(p.play(c.Context, r))
	})
}

// restoreTerminal undoes what a session that is left in the middle had done to the terminal.
func restoreTerminal(c *cli.Context) {
	if isTerminal(c.App.Writer) {
		io.WriteString(c.App.Writer, recording.Restore)
	}
}

// A player shows a recording.
type player struct {
	show, tell io.Writer
	speed      float64 // 0: as fast as can be
	idle       time.Duration
}

// compare says when the terminal is smaller than the one that was recorded.
func (p *player) compare(m recording.Meta) {
	if now := terminalSize(); int(now.Columns) < m.Columns || int(now.Rows) < m.Rows {
		fmt.Fprintf(p.tell, "lodge: recorded at %dx%d, and this terminal has %dx%d: lines will break elsewhere\n",
			m.Columns, m.Rows, now.Columns, now.Rows)
	}
}

func (p *player) play(ctx context.Context, r *recording.Reader) error {
	var last time.Duration
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, recording.ErrUnfinished) {
			fmt.Fprintf(p.tell, "\nlodge: %v: the session goes on, or its holder was killed\n", err)
			return nil
		}
		if err != nil {
			return err
		}
		if wait := min(f.At-last, p.idle); p.speed > 0 && wait > 0 {
			if err := pause(ctx, time.Duration(float64(wait)/p.speed)); err != nil {
				return err
			}
		}
		last = f.At
		if err := p.frame(f); err != nil {
			return err
		}
	}
}

func (p *player) frame(f recording.Frame) (err error) {
	switch f.Kind {
	case recording.KindOutput, recording.KindError:
		_, err = p.show.Write(f.Data)
	case recording.KindMark:
		fmt.Fprintf(p.tell, "\nlodge: %s\n", printable(string(f.Data)))
	}
	return err
}
