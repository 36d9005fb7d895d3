package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"lodge/web/wire"
)

// A progress shows one operation: a bar or spinner on a terminal, a line for each new text in a
// pipe, nothing with --quiet.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	lines bool

	mu   sync.Mutex
	last string
}

func newProgress(c *cli.Context, many bool) *progress {
	p := &progress{out: c.App.ErrWriter}
	switch {
	case c.Bool("quiet"), structured(c):
	case isTerminal(p.out) && !many:
		p.bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(p.out),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(false),
			progressbar.OptionThrottle(60*time.Millisecond), progressbar.OptionUseANSICodes(false))
	default:
		p.lines = true
	}
	return p
}

// interval is how often progress is asked for.
func (p *progress) interval() time.Duration {
	if p.bar != nil {
		return 100 * time.Millisecond
	}
	return time.Second
}

func (p *progress) show(op wire.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := op.Progress
	if text == "" && op.Step < len(op.Steps) {
		text = op.Steps[op.Step]
	}
	text = op.Name + ": " + printable(text)
	switch {
	case p.bar != nil:
		p.draw(text, op.Percent)
	case p.lines && text != p.last:
		fmt.Fprintln(p.out, text)
		p.last = text
	}
}

func (p *progress) draw(text string, percent int) {
	if percent >= 0 && p.bar.GetMax() != 100 {
		p.bar.ChangeMax(100)
	}
	p.bar.Describe(text)
	if percent >= 0 {
		p.bar.Set(min(percent, 99))
	} else {
		p.bar.Add(1)
	}
}

// say tells something that is no progress.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.bar != nil:
		p.bar.Describe(text)
	case p.lines:
		fmt.Fprintln(p.out, text)
	}
}

// close takes the bar off the terminal.
func (p *progress) close() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
