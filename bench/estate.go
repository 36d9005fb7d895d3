package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// volumes measures how long a running container waits for a volume, and for losing it.
func (b *bench) volumes(ctx context.Context) error {
	name, volume := b.name(), "bench"
	if err := b.viaAgent().launch(ctx, name); err != nil {
		return err
	}
	args := inventory.VolumeArgs{Name: volume, Size: "64MiB", Purpose: "bench"}
	if err := settle(b.agent.client.CreateVolume(ctx, args, wait)); err != nil {
		return err
	}
	for round := range b.rounds + 1 {
		for c := range inRaw {
			attach, detach := b.attaching(ctx, c, name, volume)
			for _, m := range []struct {
				figure string
				do     func() error
			}{{"attach", attach}, {"detach", detach}} {
				b.flush()
				d, err := timed(m.do)
				if err != nil {
					return err
				}
				b.results.add(m.figure, c, round, d)
			}
		}
	}
	if err := settle(b.agent.client.DeleteVolume(ctx, refOf(volume), wait)); err != nil {
		return err
	}
	return b.clear(ctx, b.viaAgent(), []string{name})
}

func (b *bench) attaching(ctx context.Context, c column, name, volume string) (attach, detach func() error) {
	if c == inCommand {
		w := commandWay{b}
		return func() error { return w.lodge(ctx, "volume", "attach", volume, name) },
			func() error { return w.lodge(ctx, "volume", "detach", volume, name, "--yes") }
	}
	args := inventory.AttachArgs{Volume: volume}
	return func() error { return settle(b.agent.client.Attach(ctx, refOf(name), args, wait)) },
		func() error { return settle(b.agent.client.Detach(ctx, refOf(name), volume, wait)) }
}

// estate measures what is done to many at once: a spec of 50 applied that changes nothing, and the
// database of 200 made anew.
func (b *bench) estate(ctx context.Context) error {
	defer b.agent.purgeAll(ctx)
	b.agent.purgeAll(ctx)
	time.Sleep(addressRest)
	names := make([]string, 200)
	for i := range names {
		names[i] = b.name()
	}
	make := func(names []string) error {
		return each(4, len(names), func(i int) error { return b.viaAgent().create(ctx, names[i]) })
	}
	if err := make(names[:50]); err != nil {
		return err
	}
	if err := b.applies(ctx, names[:50]); err != nil {
		return err
	}
	if err := make(names[50:]); err != nil {
		return err
	}
	return b.recovers(ctx, len(names))
}

func (b *bench) applies(ctx context.Context, names []string) error {
	specs, err := b.lodgeSays(ctx, append([]string{"export-spec"}, names...)...)
	if err != nil {
		return err
	}
	file := filepath.Join(b.agent.home, "estate.yaml")
	if err := os.WriteFile(file, specs, 0o600); err != nil {
		return err
	}
	for round := range 2*b.rounds + 1 {
		d, err := timed(func() error { return commandWay{b}.lodge(ctx, "apply", "-f", file) })
		if err != nil {
			return err
		}
		b.results.add("apply-50", inCommand, round, d)
	}
	return nil
}

func (b *bench) lodgeSays(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, filepath.Join(b.bin, "lodge"), args...)
	c.Env = []string{"LODGE_HOST=unix:" + b.agent.socket()}
	return c.Output()
}

// recovers loses the database and has `lodged recover` rebuild it, a few times.
func (b *bench) recovers(ctx context.Context, n int) error {
	time.Sleep(2 * time.Second) // the copies it is made from follow a change within a second
	for round := range 4 {
		b.agent.stop()
		for _, end := range []string{"", "-wal", "-shm"} {
			os.Remove(filepath.Join(b.agent.root(), "lodge.db"+end))
		}
		var said bytes.Buffer
		d, err := timed(func() error {
			c := exec.CommandContext(ctx, filepath.Join(b.bin, "lodged"), "recover", "--config",
				filepath.Join(b.agent.home, "lodged.yaml"))
			c.Stdout, c.Stderr = &said, &said
			return c.Run()
		})
		if err != nil {
			return fmt.Errorf("lodged recover: %w: %s", err, said.Bytes())
		}
		b.results.add("recover-200", inCommand, round, d)
		if err := b.agent.start(ctx); err != nil {
			return err
		}
		all, err := b.agent.client.AllContainers(ctx, client.ContainerQuery{})
		if err != nil || len(all) != n {
			return fmt.Errorf("%d of %d containers are back: %w", len(all), n, err)
		}
	}
	return nil
}
