// Command bench measures what Lodge costs beside raw liblxc tools, on the same machine, the same
// pool, the same image and the same container configuration, in the same run. It starts an agent
// of its own on a root of its own and leaves nothing behind.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what a run is told.
type options struct {
	bin     string // folder of the three programs
	cache   string // where the built image is kept between runs
	dir     string // where the agent's root is made
	out     string // file of the table; empty: standard output only
	only    []string
	rounds  int
	many    int
	indexed int64
	flooded time.Duration
	keep    bool
	verbose bool
}

func main() {
	var o options
	only := flag.String("only", "",
		"measure only figures whose name contains one of these `WORDS`, separated by commas")
	flag.StringVar(&o.bin, "bin", "bin", "`FOLDER` of the built programs")
	flag.StringVar(&o.cache, "cache", "/var/cache/lodge-bench",
		"`FOLDER` that keeps the image between runs")
	flag.StringVar(&o.dir, "dir", "/var/tmp",
		"`FOLDER` for the agent's root: on the file system to be measured")
	flag.StringVar(&o.out, "out", "", "`FILE` whose table is replaced; only a full run does")
	flag.IntVar(&o.rounds, "rounds", 9, "measurements of each figure, after one that warms up")
	flag.IntVar(&o.many, "many", 0,
		"also run this `NUMBER` of idle containers: 150 takes 8 GiB and minutes")
	flag.Int64Var(&o.indexed, "indexed", 0,
		"also search an index of this `NUMBER` of audit records: 10000000 takes 6 GiB and a quarter of an hour")
	flag.DurationVar(&o.flooded, "flood", time.Minute, "how long sign-ins by ssh pour in for ssh-echo")
	flag.BoolVar(&o.keep, "keep", false, "keep the agent's root for a look")
	flag.BoolVar(&o.verbose, "v", false, "say what is done")
	flag.Parse()
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if os.Geteuid() != 0 {
		return fmt.Errorf("containers take root; try: sudo make bench")
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	b := &bench{options: o, results: newResults(), machine: describe(o.dir)}
	if o.many > 0 || slices.ContainsFunc(figuresOf("scale"), b.wanted) {
		if err := roomForMany(); err != nil {
			return err
		}
	}
	if b.agent, err = startAgent(ctx, agentConfig{bin: o.bin, dir: o.dir, keep: o.keep}); err != nil {
		return err
	}
	defer b.agent.remove()
	defer func() {
		if b.raw != nil {
			b.raw.remove(context.Background())
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, g := range b.groups() {
		if !slices.ContainsFunc(g.figures, b.wanted) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", g.name)
		if err := g.measure(ctx); err != nil {
			fmt.Print(b.table()) // what is measured is measured; the README keeps whole runs only
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return b.report(os.Stdout)
}

// wanted reports whether the figure is to be measured.
func (b *bench) wanted(figure string) bool {
	return len(b.only) == 0 || slices.ContainsFunc(b.only,
		func(word string) bool { return strings.Contains(figure, word) })
}
