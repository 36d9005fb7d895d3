package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	idleSessions = 10
	loginRate    = 200 // a second
	// loginsAtOnce stays below what the gateway admits of clients that have not signed in (MaxStartups 10:30:100).
	loginsAtOnce = 9
	keyEvery     = 50 * time.Millisecond
)

// idle says what sessions hold of the memory while nothing happens in them: the server's processes that
// are there for them, without the shells.
func (d *doors) idle(ctx context.Context) error {
	if err := d.record(ctx, true); err != nil {
		return err
	}
	for _, at := range []door{d.gateway, d.sshd} {
		before := held(at.server)
		var open []*ssh.Client
		for range idleSessions {
			c, err := at.login(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			open = append(open, c)
			if _, err := newTyped(c); err != nil {
				return err
			}
		}
		after := held(at.server)
		d.bench.results.notes = append(d.bench.results.notes, fmt.Sprintf(
			"An idle session of %d at %s: %.1f MiB PSS, %.1f MiB RSS, what its processes hold together, without the shell",
			len(open), map[column]string{inAgent: "the gateway, its worker and holder (aim 12)", inRaw: "sshd"}[at.column],
			mib(after.pss-before.pss)/idleSessions, mib(after.rss-before.rss)/idleSessions))
	}
	return nil
}

// memory is of all processes below one, in bytes.
type heldMemory struct{ pss, rss int64 }

// held adds up what the processes below a server hold, but not itself, and no shell.
func held(root int) (m heldMemory) {
	all := processes()
	for pid, p := range all {
		if p.name == "bash" {
			continue
		}
		for up := p.parent; up > 1; up = all[up].parent {
			if up == root {
				m.pss += rollup(pid, "Pss")
				m.rss += rollup(pid, "Rss")
				break
			}
		}
	}
	return m
}

// A typed session is a shell on a terminal that echoes.
type typed struct {
	in  io.Writer
	out chan struct{} // one for each thing the shell has shown
}

func newTyped(c *ssh.Client) (*typed, error) {
	s, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		return nil, err
	}
	in, err := s.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.Shell(); err != nil {
		return nil, err
	}
	t := &typed{in, make(chan struct{}, 1)}
	go t.read(out)
	// cat echoes by the kernel alone: what is measured is the way, not the shell.
	if _, err := io.WriteString(in, "exec cat\n"); err != nil {
		return nil, err
	}
	return t, t.quiet()
}

func (t *typed) read(out io.Reader) {
	defer close(t.out)
	for buf := make([]byte, 4096); ; {
		if _, err := out.Read(buf); err != nil {
			return
		}
		select {
		case t.out <- struct{}{}:
		default:
		}
	}
}

// quiet returns once nothing has been shown for a second.
func (t *typed) quiet() error {
	for {
		select {
		case _, ok := <-t.out:
			if !ok {
				return errors.New("the shell has ended")
			}
		case <-time.After(time.Second):
			return nil
		}
	}
}

// key types one and returns when it is shown.
func (t *typed) key() error {
	if _, err := io.WriteString(t.in, "x"); err != nil {
		return err
	}
	select {
	case _, ok := <-t.out:
		if !ok {
			return errors.New("the shell has ended")
		}
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("no echo for ten seconds")
	}
}

// flood types in one session while so many others sign in as the rate says.
func (d *doors) flood(ctx context.Context) error {
	if err := d.record(ctx, true); err != nil {
		return err
	}
	for _, at := range []door{d.gateway, d.sshd} {
		c, err := at.login(ctx)
		if err != nil {
			return err
		}
		t, err := newTyped(c)
		if err != nil {
			return err
		}
		if err := d.floodOne(ctx, at, t); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

func (d *doors) floodOne(ctx context.Context, at door, t *typed) error {
	var calm, echoes sample
	for range 40 {
		took, err := timed(t.key)
		if err != nil {
			return err
		}
		calm = append(calm, took)
	}
	ctx, stop := context.WithTimeout(ctx, d.bench.flooded)
	defer stop()
	before, _ := serving(at.server)
	began := time.Now()
	counted := at.pour(ctx)
	for tick := time.Tick(keyEvery); ctx.Err() == nil; <-tick {
		took, err := timed(t.key)
		if err != nil {
			return err
		}
		echoes = append(echoes, took)
	}
	in, failed := counted()
	took := time.Since(began)
	after, _ := serving(at.server)
	d.bench.results.add("ssh-echo", at.column, 1, echoes.quantile(0.99))
	d.bench.results.notes = append(d.bench.results.notes, fmt.Sprintf(
		"%s: %.0f logins a second for %.0f s (of %d asked for), %d failed, the server took %.0f %% of one CPU; echo of a key in ms: "+
			"median %s, p99 %s, most %s; before that median %s", map[column]string{inAgent: "gateway", inRaw: "sshd"}[at.column],
		float64(in)/took.Seconds(), took.Seconds(), loginRate, failed, 100*(after-before).Seconds()/took.Seconds(),
		millis(echoes.median()), millis(echoes.quantile(0.99)), millis(echoes.quantile(1)), millis(calm.median())))
	return nil
}

// pour signs in at the rate until ctx ends; counted waits for the last and says how many came in.
func (d door) pour(ctx context.Context) (counted func() (in, failed int64)) {
	var all sync.WaitGroup
	var in, failed atomic.Int64
	due := make(chan struct{}, loginRate/10)
	go func() {
		defer close(due)
		for tick := time.Tick(time.Second / loginRate); ctx.Err() == nil; <-tick {
			select {
			case due <- struct{}{}:
			default: // too slow: the rate that is reached is said
			}
		}
	}()
	for range loginsAtOnce {
		all.Go(func() {
			for range due {
				c, err := d.login(context.WithoutCancel(ctx))
				if err != nil {
					failed.Add(1)
					continue
				}
				in.Add(1)
				c.Close()
			}
		})
	}
	return func() (int64, int64) { all.Wait(); return in.Load(), failed.Load() }
}
