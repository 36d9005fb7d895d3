package main

import (
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

func leaseCommands() []*cli.Command {
	ends := func(from string) []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: "run-until", Usage: "then it is stopped: a time, or a `DURATION` from " + from},
			&cli.StringFlag{Name: "keep-until", Usage: "then it goes to the trash: a time, or a `DURATION` from " + from}}
	}
	return []*cli.Command{{Name: "lease", Category: "Containers", Usage: "how long containers may run and are kept",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "containers with a lease, what ends first at the top", Action: listLeases,
				Flags: []cli.Flag{allProjects()}},
			{Name: "show", Usage: "one lease, its bounds and warnings", ArgsUsage: "NAME", Action: showLease, BashComplete: completeContainers},
			{Name: "set", Usage: "set the ends of a lease", ArgsUsage: "NAME...", Action: setLease,
				Description: "Warnings come before each end (lease.warn). A container whose run lease has ended does not\nstart until it is extended; one that was kept long enough lies in the trash for trash.keep.",
				Flags:       manyFlags(ends("now")...), BashComplete: completeContainers},
			{Name: "extend", Usage: "make the ends of a lease later", ArgsUsage: "NAME...", Action: extendLease,
				Description: "lease.max and lease.total bound how far; without a flag it goes that far. The reason is kept in the history and the journal.",
				Flags:       manyFlags(ends("the end there is")...), BashComplete: completeContainers},
			{Name: "clear", Usage: "take the ends of a lease away", ArgsUsage: "NAME...", Action: clearLease,
				Flags: manyFlags(&cli.BoolFlag{Name: "run", Usage: "only until when it may run"},
					&cli.BoolFlag{Name: "keep", Usage: "only until when it is kept"}), BashComplete: completeContainers},
		}}}
}

func listLeases(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Container, error) {
		return api.AllContainers(c.Context, client.ContainerQuery{Project: listed(c), Filter: `!(expires="") | !(lease="")`})
	})
	if err != nil {
		return err
	}
	sortByLease(all)
	return printList(c, all, []column[wire.Container]{
		{"name", false, func(w wire.Container) string { return nameHere(c, w) }},
		{"state", false, func(w wire.Container) string { return string(w.State) }},
		{"run until", false, func(w wire.Container) string { return when(w.RunUntil) }},
		{"keep until", false, func(w wire.Container) string { return when(w.ExpiresAt) }},
		{"lease", false, leaseText},
		{"owner", false, func(w wire.Container) string { return w.Owner }},
	})
}

// leaseText says what the lease does next, and whether it has warned: "stop in 3h (warned), trash in 6d".
func leaseText(w wire.Container) string {
	var out []string
	for _, end := range []struct {
		what string
		at   time.Time
	}{{"stop", w.RunUntil}, {"trash", w.ExpiresAt}} {
		switch left := time.Until(end.at); {
		case end.at.IsZero() || !w.TrashedAt.IsZero():
		case left <= 0 && end.what == "stop":
			out = append(out, "may not run")
		case left <= 0:
			out = append(out, "ended")
		default:
			out = append(out, end.what+" in "+coarsely(left))
		}
	}
	if w.Observed.LeaseWarned && len(out) > 0 {
		out[0] += " (warned)"
	}
	return strings.Join(out, ", ")
}

func showLease(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("lease show needs the name of one container")
	}
	w, err := read(c, func(api *client.Client) (wire.Lease, error) { return api.Lease(c.Context, ref(c, c.Args().First())) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, w)
	}
	latest := when(w.Latest)
	if latest != "" {
		latest += " by " + w.LatestBy
	}
	var given []string
	for _, g := range w.Warnings {
		given = append(given, fmt.Sprintf("%s (%s until %s)", when(g.At), g.Clock, when(g.Until)))
	}
	printFields(c.App.Writer, []field{{"name", w.Name}, {"project", w.Project}, {"run until", orNever(w.RunUntil)}, {"keep until", orNever(w.KeepUntil)},
		{"keep at most until", latest}, {"default of the project", w.Default}, {"warn before", w.Warn}, {"grace after the trash", w.Grace},
		{"warnings given", strings.Join(given, ", ")}})
	return nil
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "no end"
	}
	return when(t)
}

func setLease(c *cli.Context) error    { return changeLease(c, (*client.Client).SetLease) }
func extendLease(c *cli.Context) error { return changeLease(c, (*client.Client).ExtendLease) }

func changeLease(c *cli.Context, change func(*client.Client, context.Context, inventory.Ref, inventory.LeaseArgs, client.Options) (client.Answer, error)) error {
	args := inventory.LeaseArgs{RunUntil: c.String("run-until"), KeepUntil: c.String("keep-until")}
	if args == (inventory.LeaseArgs{}) && c.Command.Name != "extend" {
		return usage("%s needs --keep-until or --run-until, like: lodge %[1]s web1 --keep-until 30d", commandName(c))
	}
	names, err := chosenNames(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, leaseNow, func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return change(api, ctx, ref(c, name), args, o)
	})
}

// leaseNow says until when it goes now, as the plan has settled it.
func leaseNow(c *cli.Context, api *client.Client, op wire.Operation) string {
	w, err := api.Container(c.Context, inventory.Ref{Name: string(op.Container)})
	if err != nil {
		return op.Name + " has its lease"
	}
	var ends []string
	if !w.RunUntil.IsZero() {
		ends = append(ends, "may run until "+when(w.RunUntil))
	}
	if !w.ExpiresAt.IsZero() {
		ends = append(ends, "is kept until "+when(w.ExpiresAt))
	}
	return op.Name + " " + strings.Join(ends, " and ")
}

func clearLease(c *cli.Context) error {
	names, err := chosenNames(c)
	if err != nil {
		return err
	}
	clock := inventory.Clock("")
	switch {
	case c.Bool("run") && !c.Bool("keep"):
		clock = inventory.ClockRun
	case c.Bool("keep") && !c.Bool("run"):
		clock = inventory.ClockKeep
	}
	return mutateEach(c, names, is("has no end of its lease"+map[inventory.Clock]string{inventory.ClockRun: " to run", inventory.ClockKeep: " to be kept"}[clock]),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.ClearLease(ctx, ref(c, name), clock, o)
		})
}

func sortByLease(all []wire.Container) {
	first := func(w wire.Container) time.Time {
		if w.ExpiresAt.IsZero() || !w.RunUntil.IsZero() && w.RunUntil.Before(w.ExpiresAt) {
			return w.RunUntil
		}
		return w.ExpiresAt
	}
	slices.SortStableFunc(all, func(a, b wire.Container) int { return first(a).Compare(first(b)) })
}
