package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func listCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "list", Aliases: []string{"ls"}, Category: "Containers", Usage: "list containers",
			ArgsUsage: "[PREFIX]",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "filter", Usage: "only those that match `EXPRESSION`"},
				&cli.StringFlag{Name: "columns", Usage: "the `COLUMNS` to show, separated by commas"},
				allProjects(),
				&cli.StringFlag{Name: "hosts", Usage: "of these `HOSTS` of 'lodge host list', separated by commas, or all"},
			}, Action: list, BashComplete: completeContainers},
		{Name: "show", Category: "Containers", Usage: "everything about one container",
			ArgsUsage: "NAME", Action: show, BashComplete: completeContainers},
		{Name: "info", Category: "Containers",
			Usage: "what a container uses now, beside its limits", ArgsUsage: "NAME", Action: info, BashComplete: completeContainers},
	}
}

// containerColumns are what a list of containers can show, in their standard order.
var containerColumns = []column[wire.Container]{
	{"name", false, func(w wire.Container) string {
		return inventory.Ref{Project: w.Project,
			Name: w.Name}.String()
	}},
	{"state", false, func(w wire.Container) string { return string(w.State) }},
	{"ipv4", false, func(w wire.Container) string {
		return address(w,
			func(n wire.NIC) string { return n.IPv4 })
	}},
	{"env", false, func(w wire.Container) string { return string(w.Environment) }},
	{"owner", false, func(w wire.Container) string { return w.Owner }},
	{"cpus", false, func(w wire.Container) string { return w.Limits.CPUs }},
	{"memory", false, func(w wire.Container) string {
		return of(bytesText(w.Observed.MemoryBytes),
			w.Limits.Memory)
	}},
	{"disk", false, diskText},
	{"purpose", false, func(w wire.Container) string { return w.Purpose }},
	{"ipv6", true, func(w wire.Container) string {
		return address(w,
			func(n wire.NIC) string { return n.IPv6 })
	}},
	{"pool", true, func(w wire.Container) string { return w.Pool }},
	{"image", true, func(w wire.Container) string { return w.Image }},
	{"class", true, func(w wire.Container) string { return w.DataClass }},
	{"up", true, since},
	{"processes", true, func(w wire.Container) string { return count(w.Observed.Processes) }},
	{"labels", true, func(w wire.Container) string { return labelText(w.Labels) }},
	{"ticket", true, func(w wire.Container) string { return w.Ticket }},
	{"created", true, func(w wire.Container) string { return when(w.CreatedAt) }},
	{"expires", true, func(w wire.Container) string { return when(w.ExpiresAt) }},
	{"lease", true, leaseText},
	{"hours", true, func(w wire.Container) string { return switchText(w.Observed) }},
	{"orphaned", true, func(w wire.Container) string { return yes(w.Orphaned) }},
	{"id", true, func(w wire.Container) string { return string(w.ID) }},
}

// columnsHere are containerColumns with names as the caller may type them: without the project that
// is meant anyway.
func columnsHere(c *cli.Context) []column[wire.Container] {
	columns := slices.Clone(containerColumns)
	columns[0].cell = func(w wire.Container) string { return nameHere(c, w) }
	return columns
}

// switchText says what the hours of a container do next.
func switchText(o wire.Observed) string {
	switch o.SwitchTo {
	case inventory.IntentRun:
		return "starts " + when(o.SwitchAt)
	case inventory.IntentStop:
		return "stops " + when(o.SwitchAt)
	}
	return ""
}

func of(used, limit string) string {
	if used == "" || limit == "" {
		return used + limit
	}
	return used + "/" + limit
}

func address(w wire.Container, which func(wire.NIC) string) string {
	var out []string
	for _, n := range w.NICs {
		if a := which(n); a != "" {
			out = append(out, a)
		}
	}
	return strings.Join(out, " ")
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func labelText(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, " ")
}

func list(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("list takes one PREFIX; to choose otherwise use --filter")
	}
	return listContainers(c, client.ContainerQuery{Prefix: c.Args().First(), Filter: c.String("filter")})
}

func listContainers(c *cli.Context, q client.ContainerQuery) error {
	q.Project = listed(c)
	if c.String("hosts") != "" {
		return listOfHosts(c, q)
	}
	columns, err := chosen(columnsHere(c), c.String("columns"))
	if err != nil {
		return err
	}
	all, err := read(c, func(api *client.Client) ([]wire.Container,
		error) {
		return api.AllContainers(c.Context, q)
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(w wire.Container) bool { return w.Observed.LeaseWarned }) {
		for i := range columns {
			columns[i].wide = columns[i].wide && columns[i].head != "lease"
		}
	}
	return printList(c, all, columns)
}

// chosen returns the named columns, or all.
func chosen[T any](all []column[T], names string) ([]column[T], error) {
	if names == "" {
		return all, nil
	}
	var out []column[T]
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(all,
			func(col column[T]) bool { return col.head == strings.ToLower(strings.TrimSpace(name)) })
		if i < 0 {
			return nil, usage("there is no column %q; there are %s", name, heads(all))
		}
		col := all[i]
		col.wide = false
		out = append(out, col)
	}
	return out, nil
}

func heads[T any](columns []column[T]) string {
	var names []string
	for _, col := range columns {
		names = append(names, col.head)
	}
	return strings.Join(names, ", ")
}

// one returns the single container a command is about.
func one(c *cli.Context) (wire.Container, error) {
	if c.NArg() != 1 {
		return wire.Container{}, usage("%s needs the name of one container", commandName(c))
	}
	return read(c, func(api *client.Client) (wire.Container, error) {
		return api.Container(c.Context, ref(c, c.Args().First()))
	})
}

func show(c *cli.Context) error {
	w, err := one(c)
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, w)
	}
	o := w.Observed
	printFields(c.App.Writer, []field{
		{"name", w.Name}, {"project", w.Project}, {"state", string(w.State)}, {"reason",
			o.Reason}, {"restarts", count(o.Restarts)}, {"next restart", when(o.RestartAt)}, {"hours", switchText(o)},
		{"intent", string(w.Intent)},
		{"owner", w.Owner}, {"purpose", w.Purpose}, {"environment",
			string(w.Environment)}, {"data class", w.DataClass},
		{"labels", labelText(w.Labels)}, {"ticket", w.Ticket}, {"image", w.Image}, {"image digest",
			w.ImageDigest},
		{"ipv4", address(w, func(n wire.NIC) string { return n.IPv4 })}, {"ipv6",
			address(w, func(n wire.NIC) string { return n.IPv6 })},
		{"mac", address(w, func(n wire.NIC) string { return n.MAC })},
		{"on the host", address(w, func(n wire.NIC) string { return n.Name + "=" + n.Host })}, {"after",
			strings.Join(w.After, " ")},
		{"cpus", w.Limits.CPUs}, {"memory", of(bytesText(o.MemoryBytes), w.Limits.Memory)}, {"disk", diskText(w)},
		{"pool", w.Pool}, {"processes", of(count(o.Processes), w.Limits.Processes)}, {"init pid",
			count(o.InitPID)}, {"started", when(o.StartedAt)},
		{"host ids", fmt.Sprintf("%d-%d", w.IDBase, w.IDBase+65535)}, {"id",
			string(w.ID)}, {"revision", fmt.Sprint(w.Revision)},
		{"created", when(w.CreatedAt)}, {"updated", when(w.UpdatedAt)}, {"run until",
			when(w.RunUntil)}, {"expires", when(w.ExpiresAt)}, {"lease", leaseText(w)}, {"trashed", when(w.TrashedAt)},
	})
	fmt.Fprintln(c.App.Writer, "\nsettings")
	for _, v := range w.Effective {
		fmt.Fprintf(c.App.Writer, "  %-22s %-14s %s\n", v.Setting, printable(v.Value), printable(v.Origin))
	}
	return nil
}

// diskText is what is in use of the disk, and whether its size is no bound.
func diskText(w wire.Container) string {
	text := of(bytesText(w.Observed.DiskBytes), w.Limits.Disk)
	if w.Observed.Unbounded {
		text += ", size not enforced"
	}
	return text
}

func info(c *cli.Context) error {
	w, err := one(c)
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, w.Observed)
	}
	o := w.Observed
	printFields(c.App.Writer, []field{{"name", w.Name}, {"state", string(w.State)}, {"up", since(w)},
		{"memory", of(bytesText(o.MemoryBytes), w.Limits.Memory)}, {"cpu",
			fmt.Sprintf("%.1fs of %s CPUs", o.CPUSeconds, w.Limits.CPUs)},
		{"processes", of(count(o.Processes), w.Limits.Processes)}, {"disk", diskText(w)},
		{"ipv4", address(w, func(n wire.NIC) string { return n.IPv4 })}})
	return nil
}

// since tells how long a container has been up.
func since(w wire.Container) string { return ago(w.Observed.StartedAt) }
