package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	loginsEach = 40        // connections whose CPU time is one measurement
	execsEach  = 20        // the same with a command in each
	bulkBytes  = 1 << 30   // what goes through at once
	textLines  = 1_000_000 // of a terminal, 28 bytes each
	bulkRounds = 5         // at most: a round takes a quarter of a minute
	noiseFile  = "/root/noise"
)

// ssh measures the gateway beside the container's own sshd.
func (b *bench) ssh(ctx context.Context) (err error) {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return errors.New("where systemd is PID 1 the sessions' holders are its children, and their CPU time can't be told")
	}
	d, err := b.openDoors(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(context.WithoutCancel(ctx))) }()
	for _, part := range []struct {
		figures []string
		measure func(context.Context) error
	}{
		{[]string{"ssh-login", "ssh-exec", "ssh-exec-open"}, d.costs},
		{[]string{"ssh-true", "ssh-true-open", "ssh-byte", "ssh-byte-open"}, d.waits},
		{[]string{"ssh-in", "ssh-out", "ssh-out-open", "ssh-tty"}, d.bulk},
		{[]string{"ssh-idle"}, d.idle},
		{[]string{"ssh-echo"}, d.flood},
	} {
		for _, f := range part.figures {
			if b.wanted(f) {
				if err := part.measure(ctx); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// both measures a figure at the gateway and at sshd in turn. A figure that ends in -open is measured
// without recording; rounds is how often, after one that warms up.
func (d *doors) both(ctx context.Context, figure string, recorded bool, rounds int, measure func(door) (time.Duration, error)) error {
	if !d.bench.wanted(figure) {
		return nil
	}
	if err := d.record(ctx, recorded); err != nil {
		return err
	}
	for round := range rounds + 1 {
		for _, at := range []door{d.gateway, d.sshd} {
			took, err := measure(at)
			if err != nil {
				return fmt.Errorf("%s: %w", figure, err)
			}
			d.bench.results.add(figure, at.column, round, took)
		}
	}
	return nil
}

// costs measures the servers' CPU time.
func (d *doors) costs(ctx context.Context) error {
	login := func(at door) (time.Duration, error) {
		return at.cost(loginsEach, func() error {
			c, err := at.login(ctx)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	run := func(at door) (time.Duration, error) {
		return at.cost(execsEach, func() error {
			c, err := at.login(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := c.NewSession()
			if err != nil {
				return err
			}
			return s.Run("true")
		})
	}
	return errors.Join(d.both(ctx, "ssh-login", true, d.bench.rounds, login),
		d.both(ctx, "ssh-exec", true, d.bench.rounds, run), d.both(ctx, "ssh-exec-open", false, d.bench.rounds, run))
}

// waits measures what people wait for.
func (d *doors) waits(ctx context.Context) error {
	whole := func(at door) (time.Duration, error) {
		return timed(func() error { return at.carry(ctx, nil, nil, nil, "true") })
	}
	byteOf := func(at door) (time.Duration, error) {
		c, err := at.login(ctx)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return firstByte(c)
	}
	n := 3 * d.bench.rounds
	return errors.Join(d.both(ctx, "ssh-true", true, n, whole), d.both(ctx, "ssh-true-open", false, n, whole),
		d.both(ctx, "ssh-byte", true, n, byteOf), d.both(ctx, "ssh-byte-open", false, n, byteOf))
}

// firstByte is the time from the request to the first byte of its output, on a connection that stands.
func firstByte(c *ssh.Client) (took time.Duration, err error) {
	s, err := c.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	out, err := s.StdoutPipe()
	if err != nil {
		return 0, err
	}
	took, err = timed(func() error {
		if err := s.Start("echo here"); err != nil {
			return err
		}
		_, err := io.ReadFull(out, make([]byte, 1))
		return err
	})
	if err != nil {
		return 0, err
	}
	io.Copy(io.Discard, out)
	return took, s.Wait()
}

// bulk measures a GiB of noise each way, and text on a terminal.
func (d *doors) bulk(ctx context.Context) error {
	noise := filepath.Join(d.bench.agent.home, "noise")
	if err := command(ctx, toolEnv, "sh", "-c", fmt.Sprintf("head -c %d /dev/urandom > %s", bulkBytes/8, noise)); err != nil {
		return err
	}
	defer os.Remove(noise)
	if err := (commandWay{d.bench}).lodge(ctx, "file", "push", noise, d.container+noiseFile); err != nil {
		return err
	}
	in := func(at door) (time.Duration, error) {
		files := make([]io.Reader, 8)
		for i := range files {
			f, err := os.Open(noise)
			if err != nil {
				return 0, err
			}
			defer f.Close()
			files[i] = f
		}
		return timed(func() error { return at.carry(ctx, io.MultiReader(files...), nil, nil, "cat > /dev/null") })
	}
	line := "cat"
	for range 8 {
		line += " " + noiseFile
	}
	out := func(at door) (time.Duration, error) {
		return timed(func() error { return at.carry(ctx, nil, nil, nil, line) })
	}
	shown := func(at door) (time.Duration, error) {
		text := fmt.Sprintf("yes 'a line of a long build log' | head -n %d", textLines)
		return timed(func() error { return at.carry(ctx, nil, nil, []string{"-tt"}, text) })
	}
	n := min(d.bench.rounds, bulkRounds)
	return errors.Join(d.both(ctx, "ssh-in", true, n, in), d.both(ctx, "ssh-out", true, n, out), d.both(ctx, "ssh-out-open", false, n, out),
		d.both(ctx, "ssh-tty", true, n, shown), d.both(ctx, "ssh-tty-open", false, n, shown))
}
