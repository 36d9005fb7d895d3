package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// bootedWithin bounds the wait for a guest's sshd.
const bootedWithin = time.Minute

// life measures a container from its creation to its end, in every way, round by round, so that
// what else the machine does meanwhile touches all columns alike.
func (b *bench) life(ctx context.Context) error {
	for round := range b.rounds + 1 {
		for c, w := range b.ways() {
			if err := b.lifeOnce(ctx, w, column(c), round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) lifeOnce(ctx context.Context, w way, c column, round int) error {
	name, twin := b.name(), b.name()
	step := func(figure string, f func() error) error {
		b.flush()
		d, err := timed(f)
		if err == nil && figure != "" {
			b.results.add(figure, c, round, d)
		}
		return err
	}
	for _, s := range []struct {
		figure string
		do     func() error
	}{
		{"create", func() error { return w.create(ctx, name) }},
		{"snapshot", func() error { return w.snapshot(ctx, name) }},
		{"restore", func() error { return w.restore(ctx, name) }},
		{"clone", func() error { return w.clone(ctx, name, twin) }},
		{"start", func() error { return w.start(ctx, name) }},
		{"", func() error { return b.booted(ctx, w, name) }},
		{"stop", func() error { return w.stop(ctx, name) }},
		{"", func() error { b.settled(name); return w.start(ctx, name) }},
		{"", func() error { return b.booted(ctx, w, name) }},
		{"kill", func() error { return w.kill(ctx, name) }},
		{"", func() error { b.settled(name); return nil }},
		{"delete", func() error { return w.trash(ctx, name) }},
		{"purge", func() error { return w.purge(ctx, name) }},
		{"", func() error { return w.purge(ctx, twin) }},
	} {
		if c == inRaw && s.figure == "delete" {
			continue
		}
		if err := step(s.figure, s.do); err != nil {
			return err
		}
	}
	return nil
}

// booted waits until the guest's sshd answers and its boot is over: what is measured next is not to
// be slowed down by it.
func (b *bench) booted(ctx context.Context, w way, name string) error {
	if _, err := b.answers(ctx, w, name, time.Now()); err != nil {
		return err
	}
	time.Sleep(400 * time.Millisecond)
	return nil
}

// answers waits for sshd's banner and returns the time since began.
func (b *bench) answers(ctx context.Context, w way, name string, began time.Time) (time.Duration, error) {
	ip, err := w.address(ctx, name)
	if err != nil {
		return 0, err
	}
	banner := make([]byte, 64)
	for time.Since(began) < bootedWithin && ctx.Err() == nil {
		conn, err := net.DialTimeout("tcp4", ip+":22", 50*time.Millisecond)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		n, _ := conn.Read(banner)
		conn.Close()
		if strings.HasPrefix(string(banner[:n]), "SSH-") {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("the sshd of %s did not answer on %s within %s", name, ip, bootedWithin)
}

// launches measures launch alone, until exec, and until sshd, each of a container of its own.
func (b *bench) launches(ctx context.Context) error {
	for round := range b.rounds + 1 {
		for c, w := range b.ways() {
			for _, until := range []string{"launch-exec", "launch-ssh"} {
				if !b.wanted("launch") && !b.wanted(until) {
					continue
				}
				if err := b.launchOnce(ctx, w, column(c), round, until); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *bench) launchOnce(ctx context.Context, w way, c column, round int, until string) error {
	name := b.name()
	b.flush()
	began := time.Now()
	if err := w.launch(ctx, name); err != nil {
		return err
	}
	launched, done := time.Since(began), time.Duration(0)
	var err error
	if until == "launch-ssh" {
		b.results.add("launch", c, round, launched)
		done, err = b.answers(ctx, w, name, began)
	} else if err = w.exec(ctx, name); err == nil {
		done = time.Since(began)
	}
	if err != nil {
		return err
	}
	b.results.add(until, c, round, done)
	if err := w.kill(ctx, name); err != nil {
		return err
	}
	b.settled(name)
	return w.purge(ctx, name)
}

// execs measures exec in a container that has booted.
func (b *bench) execs(ctx context.Context) error {
	for c, w := range b.ways() {
		name := b.name()
		if err := w.launch(ctx, name); err != nil {
			return err
		}
		if err := b.booted(ctx, w, name); err != nil {
			return err
		}
		for round := range 2*b.rounds + 1 {
			d, err := timed(func() error { return w.exec(ctx, name) })
			if err != nil {
				return err
			}
			b.results.add("exec", column(c), round, d)
		}
		if err := w.kill(ctx, name); err != nil {
			return err
		}
		b.settled(name)
		if err := w.purge(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// parallel launches twenty at once.
func (b *bench) parallel(ctx context.Context) error {
	const n = 20
	for c, w := range b.ways() {
		names := make([]string, n)
		for i := range names {
			names[i] = b.name()
		}
		b.flush()
		began := time.Now()
		if err := each(n, n, func(i int) error { return w.launch(ctx, names[i]) }); err != nil {
			return err
		}
		b.results.add("parallel", column(c), 1, time.Since(began))
		if err := each(n, n, func(i int) error {
			_,
				err := b.answers(ctx, w, names[i], began)
			return err
		}); err != nil {
			return err
		}
		b.results.add("parallel-ssh", column(c), 1, time.Since(began))
		if err := b.clear(ctx, w, names); err != nil {
			return err
		}
	}
	return nil
}

// clear removes running containers.
func (b *bench) clear(ctx context.Context, w way, names []string) error {
	return each(8, len(names), func(i int) error {
		if err := w.kill(ctx, names[i]); err != nil {
			return err
		}
		b.settled(names[i])
		return w.purge(ctx, names[i])
	})
}
