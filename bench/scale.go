package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"lodge/web/client"
)

// addressRest is waited for before 200 containers are made: the agent offers an address it has given
// out again only after a minute, and 200 leave few others in a network of 254.
const addressRest = time.Minute + time.Second

// scale measures lists and memory while the number of containers grows: 10 and 50 running, then
// 150 stopped ones beside them.
func (b *bench) scale(ctx context.Context) error {
	w := b.viaAgent()
	if err := w.purge(ctx, "model"); err != nil {
		return err
	}
	var names []string
	none := b.memory(ctx, names)
	last := none
	for _, n := range []int{10, 50} {
		if err := b.grow(ctx, &names, n, w.launch); err != nil {
			return err
		}
		if err := b.measureList(ctx, fmt.Sprintf("list-%d", n)); err != nil {
			return err
		}
		last = b.memory(ctx, names)
		b.results.notes = append(b.results.notes, last.line(none))
	}
	b.results.notes = append([]string{none.line(none)}, b.results.notes...)
	time.Sleep(addressRest)
	if err := b.grow(ctx, &names, 200, w.create); err != nil {
		return err
	}
	if err := b.measureGets(ctx, names[0]); err != nil {
		return err
	}
	if err := b.measureList(ctx, "list-200"); err != nil {
		return err
	}
	return b.clearRunning(ctx, names[:50])
}

// grow makes containers until there are n, and waits until those that boot have.
func (b *bench) grow(ctx context.Context, names *[]string, n int,
	add func(context.Context, string) error) error {
	fresh := []string{}
	for len(*names)+len(fresh) < n {
		fresh = append(fresh, b.name())
	}
	if err := each(4, len(fresh), func(i int) error { return add(ctx, fresh[i]) }); err != nil {
		return err
	}
	*names = append(*names, fresh...)
	if n > 50 {
		return nil
	}
	for _, name := range fresh {
		if _, err := b.answers(ctx, b.viaAgent(), name, time.Now()); err != nil {
			return err
		}
	}
	time.Sleep(3 * time.Second) // the guests' last services, and the agent's own work behind
	return nil
}

func (b *bench) measureList(ctx context.Context, figure string) error {
	w := commandWay{b}
	for round := range 2*b.rounds + 1 {
		d, err := timed(func() error { return w.lodge(ctx, "list") })
		if err != nil {
			return err
		}
		b.results.add(figure, inCommand, round, d)
		d, err = timed(func() error {
			_, err := b.agent.client.AllContainers(ctx, client.ContainerQuery{Project: "default"})
			return err
		})
		if err != nil {
			return err
		}
		b.results.add(figure, inAgent, round, d)
		if d, err = timed(func() error { return b.rawList(ctx) }); err != nil {
			return err
		}
		b.results.add(figure, inRaw, round, d)
	}
	return nil
}

// rawList has the raw tool list the agent's own containers, with state and addresses as lodge does.
func (b *bench) rawList(ctx context.Context) error {
	path, err := exec.LookPath("lxc-ls")
	if err != nil {
		return err
	}
	return command(ctx, []string{"PATH=/nonexistent"}, path, "--fancy", "-P",
		filepath.Join(b.agent.root(), "containers"))
}

func (b *bench) measureGets(ctx context.Context, name string) error {
	for round := range 2*b.rounds + 1 {
		one, err := timed(func() error { _, err := b.agent.client.Container(ctx, refOf(name)); return err })
		if err != nil {
			return err
		}
		all, err := timed(func() error {
			page, err := b.agent.client.Containers(ctx, client.ContainerQuery{Limit: 200})
			if err == nil && len(page.Items) != 200 {
				err = fmt.Errorf("a page of 200 holds %d", len(page.Items))
			}
			return err
		})
		if err != nil {
			return err
		}
		b.results.add("get-1", inAgent, round, one)
		b.results.add("get-200", inAgent, round, all)
	}
	return nil
}

func (b *bench) clearRunning(ctx context.Context, names []string) error {
	if err := b.clear(ctx, b.viaAgent(), names); err != nil {
		return err
	}
	b.agent.purgeAll(ctx)
	return nil
}

// manyIdle runs as many idle containers as asked for.
func (b *bench) manyIdle(ctx context.Context) error {
	if b.many == 0 {
		return nil
	}
	w, before := b.viaAgent(), available()
	b.agent.purgeAll(ctx)
	none := b.memory(ctx, nil)
	var names []string
	var last time.Duration
	for i := range b.many {
		name := b.name()
		d, err := timed(func() error { return w.launch(ctx, name) })
		if err != nil {
			return err
		}
		names, last = append(names, name), d
		if _, err := b.answers(ctx, w, name, time.Now()); err != nil {
			return err
		}
		if b.verbose && i%10 == 9 {
			fmt.Fprintf(os.Stderr, "%d running, the last took %s ms\n", i+1, millis(last))
		}
	}
	time.Sleep(10 * time.Second)
	m := b.memory(ctx, names)
	b.results.notes = append(b.results.notes, m.line(none), fmt.Sprintf(
		"%d idle Debian containers take %.1f MiB of the host's memory each, all counted; the launch of the last took %s ms",
		b.many, float64(before-available())/float64(b.many)/(1<<20), millis(last)))
	return b.clearRunning(ctx, names)
}
