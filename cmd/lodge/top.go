package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func topCommands() []*cli.Command {
	return []*cli.Command{{Name: "top", Category: "Containers",
		Usage: "what running containers use, the busiest first", ArgsUsage: "[PREFIX]",
		Description: "Refreshes on a terminal until Ctrl-C; in a pipe it measures once.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "interval", Value: "2s",
				Usage: "time between two measurements: `DURATION`"},
			&cli.StringFlag{Name: "sort", Value: "cpu",
				Usage: "`COLUMN`: cpu, memory, disk, processes or name"},
			&cli.StringFlag{Name: "filter", Usage: "only those that match `EXPRESSION`"}, allProjects()},
		Action: top, BashComplete: completeContainers}}
}

// A load is one container with what it used of the CPUs between two measurements.
type load struct {
	wire.Container
	CPU float64 // CPUs in use: 1.5
}

var loadColumns = []column[load]{
	{"name", false, func(l load) string {
		return inventory.Ref{Project: l.Project,
			Name: l.Name}.String()
	}},
	{"cpu", false, func(l load) string { return of(fmt.Sprintf("%.2f", l.CPU), l.Limits.CPUs) }},
	{"memory", false, func(l load) string {
		return of(bytesText(l.Observed.MemoryBytes),
			l.Limits.Memory)
	}},
	{"disk", false, func(l load) string { return of(bytesText(l.Observed.DiskBytes), l.Limits.Disk) }},
	{"processes", false, func(l load) string {
		return of(count(l.Observed.Processes),
			l.Limits.Processes)
	}},
	{"up", false, func(l load) string { return since(l.Container) }},
}

var orders = map[string]func(a, b load) int{
	"cpu":       func(a, b load) int { return cmp.Compare(b.CPU, a.CPU) },
	"memory":    func(a, b load) int { return cmp.Compare(b.Observed.MemoryBytes, a.Observed.MemoryBytes) },
	"disk":      func(a, b load) int { return cmp.Compare(b.Observed.DiskBytes, a.Observed.DiskBytes) },
	"processes": func(a, b load) int { return cmp.Compare(b.Observed.Processes, a.Observed.Processes) },
	"name":      func(a, b load) int { return strings.Compare(a.Name, b.Name) },
}

func top(c *cli.Context) error {
	order, ok := orders[c.String("sort")]
	if !ok || c.NArg() > 1 {
		return usage("top takes one PREFIX and --sort cpu, memory, disk, processes or name")
	}
	interval, err := duration(c, "interval")
	if err != nil {
		return err
	}
	q := client.ContainerQuery{Project: listed(c), Prefix: c.Args().First(),
		Filter: "state=running | state=frozen"}
	if f := c.String("filter"); f != "" {
		q.Filter = "(" + f + ") & (" + q.Filter + ")"
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	live := isTerminal(c.App.Writer) && !structured(c)
	m := meter{api: api, query: q, order: order}
	if err := m.measure(c.Context); err != nil {
		return err
	}
	if live {
		fmt.Fprint(c.App.Writer, "\x1b[?1049h\x1b[?25l") // alternate screen, no cursor
		defer fmt.Fprint(c.App.Writer, "\x1b[?25h\x1b[?1049l")
	}
	return watch(c, &m, max(interval, 100*time.Millisecond), live)
}

// watch shows measurements: one, or one after the other until the person has seen enough.
func watch(c *cli.Context, m *meter, interval time.Duration, live bool) error {
	for {
		if live {
			fmt.Fprint(c.App.Writer, "\x1b[H\x1b[J") // to the corner, clear
			if err := printList(c, m.loads, loadColumns); err != nil {
				return err
			}
		}
		if err := pause(c.Context, interval); err != nil {
			if live {
				return nil // Ctrl-C is how one leaves
			}
			return err
		}
		if err := m.measure(c.Context); err != nil {
			return err
		}
		if !live {
			return m.print(c)
		}
	}
}

// A meter measures all containers of a query and what each used since the time before.
type meter struct {
	api   *client.Client
	query client.ContainerQuery
	order func(a, b load) int

	at    time.Time
	loads []load
}

func (m *meter) measure(ctx context.Context) error {
	all, err := m.api.AllContainers(ctx, m.query)
	if err != nil {
		return err
	}
	now := time.Now()
	before := map[inventory.ContainerID]float64{}
	for _, l := range m.loads {
		before[l.ID] = l.Observed.CPUSeconds
	}
	loads := make([]load, len(all))
	for i, w := range all {
		loads[i].Container = w
		if was, ok := before[w.ID]; ok {
			loads[i].CPU = max(0, w.Observed.CPUSeconds-was) / now.Sub(m.at).Seconds() // less after a restart
		}
	}
	slices.SortStableFunc(loads, m.order)
	m.loads, m.at = loads, now
	return nil
}

// print writes the measurement once; as data it is the API's own.
func (m *meter) print(c *cli.Context) error {
	if !structured(c) {
		return printList(c, m.loads, loadColumns)
	}
	stats := make([]wire.Stats, len(m.loads))
	for i, l := range m.loads {
		stats[i] = wire.Stats{ID: l.ID, Name: l.Name, Project: l.Project, At: m.at.UTC(),
			Observed: l.Observed, Limits: l.Limits}
	}
	return printValue(c, stats)
}
