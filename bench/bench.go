package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A bench is one run.
type bench struct {
	options
	agent   *agent
	raw     *raw
	results *results
	machine machine
	serial  int
}

// A group measures figures that share their preparations.
type group struct {
	name    string
	figures []string
	measure func(context.Context) error
}

func (b *bench) groups() []group {
	return []group{
		{"the limits of the machine", figuresOf("limit"), b.limits},
		{"the life of a container", figuresOf("life"), b.life},
		{"launches", figuresOf("launch"), b.launches},
		{"exec", figuresOf("exec"), b.execs},
		{"ssh", figuresOf("ssh"), b.ssh},
		{"deaths", figuresOf("death"), b.deaths},
		{"volumes", figuresOf("volumes"), b.volumes},
		{"other pools", figuresOf("pools"), b.pools},
		{"20 at once", figuresOf("parallel"), b.parallel},
		{"lists and memory", figuresOf("scale"), b.scale},
		{"an estate", figuresOf("estate"), b.estate},
		{"rules", figuresOf("rules"), b.rules},
		{"names", figuresOf("names"), b.names},
		{"policies", figuresOf("policies"), b.policies},
		{"the audit journal", figuresOf("journal"), b.journal},
		{"the audit index", figuresOf("index"), b.index},
		{"many containers", figuresOf("many"), b.manyIdle},
	}
}

// prepare makes the image and what the raw tools need.
func (b *bench) prepare(ctx context.Context) error {
	if err := b.addImage(ctx); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	// A container that is never started shows the configuration the agent writes.
	if err := b.viaAgent().create(ctx, "model"); err != nil {
		return err
	}
	var err error
	b.raw, err = newRaw(b)
	return err
}

// name makes up a name no container of this run has had.
func (b *bench) name() string {
	b.serial++
	return fmt.Sprintf("b%d", b.serial)
}

// A way is how a container is worked with: through the agent's API, the command line, or the raw
// tools.
type way interface {
	create(ctx context.Context, name string) error
	start(ctx context.Context, name string) error
	launch(ctx context.Context, name string) error
	exec(ctx context.Context, name string) error
	stop(ctx context.Context, name string) error
	kill(ctx context.Context, name string) error
	snapshot(ctx context.Context, name string) error
	restore(ctx context.Context, name string) error
	clone(ctx context.Context, name, to string) error
	// trash takes the container out of sight; purge removes it for good, wherever it is.
	trash(ctx context.Context, name string) error
	purge(ctx context.Context, name string) error
	address(ctx context.Context, name string) (string, error)
}

// column is where a way's measurements go.
type column int

const (
	inAgent column = iota
	inCommand
	inRaw
	columns
)

func (b *bench) ways() [columns]way {
	return [columns]way{b.viaAgent(), commandWay{b}, b.raw}
}

// command runs a program to its end with no output but errors.
func command(ctx context.Context, env []string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = env
	var errs strings.Builder
	c.Stderr = &errs
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(errs.String()))
	}
	return nil
}

// each calls f for 0..n-1, width of them at once, and returns the first error.
func each(width, n int, f func(i int) error) error {
	slots := make(chan struct{}, width)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// settled waits until the monitor of a container is gone too, whose cleaning up would disturb what
// is measured next, and until what was written lies on disk.
func (b *bench) settled(name string) {
	monitors := []string{name} // the raw tools' by the name, the agent's by the id
	if c, err := b.agent.client.Container(context.Background(), refOf(name)); err == nil {
		monitors = append(monitors, string(c.ID))
	}
	for range 1000 {
		left := 0
		for _, m := range monitors {
			for _, parent := range []string{"", "*/"} {
				found, _ := filepath.Glob("/sys/fs/cgroup/" + parent + "lxc.monitor." + m + "*")
				left += len(found)
			}
		}
		if left == 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	b.flush()
}

func (b *bench) flush() {
	if f, err := os.Open(b.agent.pool()); err == nil {
		unix.Syncfs(int(f.Fd()))
		f.Close()
	}
}

func refOf(name string) inventory.Ref { return inventory.ParseRef(name) }
