package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func settingCommands() []*cli.Command {
	forFlag := &cli.StringFlag{Name: "for", Usage: "go back after `DURATION`: 2h"}
	return []*cli.Command{
		{Name: "set", Category: "Settings", Usage: "change settings of a container", ArgsUsage: "NAME KEY=VALUE...",
			Description: "Example: lodge set web1 memory=1GiB restart.policy=always", Flags: mutationFlags(forFlag), Action: set, BashComplete: completeContainers},
		{Name: "unset", Category: "Settings", Usage: "go back to inherited values", ArgsUsage: "NAME KEY...", Flags: mutationFlags(), Action: unset, BashComplete: completeContainers},
		{Name: "get", Category: "Settings", Usage: "settings in force, and where they come from", ArgsUsage: "NAME [KEY]", Action: get, BashComplete: completeContainers},
		{Name: "resize", Category: "Settings", Usage: "change the size of a container", ArgsUsage: "NAME", Flags: mutationFlags(forFlag,
			&cli.StringFlag{Name: "cpus", Usage: "`NUMBER` of CPUs"}, &cli.StringFlag{Name: "memory", Usage: "`SIZE`"},
			&cli.StringFlag{Name: "disk", Usage: "`SIZE`"}), Action: resize, BashComplete: completeContainers},
		{Name: "rename", Category: "Containers", Usage: "give a stopped container another name", ArgsUsage: "OLD NEW", Flags: mutationFlags(), Action: rename, BashComplete: completeContainers},
		{Name: "label", Category: "Settings", Usage: "set or take away labels", ArgsUsage: "NAME KEY=VALUE|KEY-...", Flags: mutationFlags(), Action: label, BashComplete: completeContainers},
		{Name: "owner", Category: "Settings", Usage: "say who answers for a container", ArgsUsage: "NAME USER", Flags: mutationFlags(), Action: owner, BashComplete: completeContainers},
		{Name: "history", Category: "Settings", Usage: "who changed what, when and why", ArgsUsage: "NAME", Action: history, BashComplete: completeContainers},
		{Name: "diff", Category: "Settings", Usage: "what a revision changed, or what changed since", ArgsUsage: "NAME [REV]", Action: diff, BashComplete: completeContainers},
		{Name: "revert", Category: "Settings", Usage: "bring back the facts and settings of a revision", ArgsUsage: "NAME REV", Flags: mutationFlags(), Action: revert, BashComplete: completeContainers},
	}
}

// update sends changed facts or settings of the container named first.
func update(c *cli.Context, args inventory.UpdateArgs) error {
	return mutateEach(c, []string{c.Args().First()}, "is changed", func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.Update(ctx, ref(c, name), args, o)
	})
}

func set(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("set needs NAME and KEY=VALUE, like: lodge set web1 memory=1GiB")
	}
	values, err := pairs("set", c.Args().Tail())
	if err != nil {
		return err
	}
	args := inventory.UpdateArgs{Settings: map[string]string{}, For: c.String("for")}
	for key, value := range values { // facts are set by the same command, since that is what people try
		switch value := value; key {
		case "owner":
			args.Owner = &value
		case "purpose":
			args.Purpose = &value
		case "env", "environment":
			args.Environment = &value
		case "class", "data_class":
			args.DataClass = &value
		case "after":
			names := strings.Fields(strings.ReplaceAll(value, ",", " "))
			args.After = &names
		default:
			args.Settings[key] = value
		}
	}
	return update(c, args)
}

func unset(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("unset needs NAME and at least one KEY")
	}
	return update(c, inventory.UpdateArgs{Unset: c.Args().Tail()})
}

func resize(c *cli.Context) error {
	args := inventory.UpdateArgs{Settings: map[string]string{}, For: c.String("for")}
	for _, size := range []string{"cpus", "memory", "disk"} {
		if c.IsSet(size) {
			args.Settings[size] = c.String(size)
		}
	}
	if c.NArg() != 1 || len(args.Settings) == 0 {
		return usage("resize needs NAME and at least one of --cpus, --memory, --disk")
	}
	return update(c, args)
}

func label(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("label needs NAME and KEY=VALUE, or KEY- to take one away")
	}
	args := inventory.UpdateArgs{Labels: map[string]string{}}
	for _, arg := range c.Args().Tail() {
		if key, ok := strings.CutSuffix(arg, "-"); ok && !strings.Contains(arg, "=") {
			args.Unlabel = append(args.Unlabel, key)
			continue
		}
		one, err := pairs("label", []string{arg})
		if err != nil {
			return err
		}
		for key, value := range one {
			args.Labels[key] = value
		}
	}
	return update(c, args)
}

func owner(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("owner needs NAME and USER")
	}
	name := c.Args().Get(1)
	return update(c, inventory.UpdateArgs{Owner: &name})
}

func rename(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("rename needs the old and the new name")
	}
	args := inventory.RenameArgs{Name: c.Args().Get(1)}
	return mutateEach(c, []string{c.Args().First()}, "is its name now", func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.Rename(ctx, ref(c, name), args, o)
	})
}

func get(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("get needs NAME and may have KEY")
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	values, err := api.ContainerSettings(c.Context, ref(c, c.Args().First()))
	if err != nil {
		return err
	}
	if key := c.Args().Get(1); key != "" {
		i := slices.IndexFunc(values, func(v wire.Value) bool { return v.Setting == key })
		if i < 0 {
			return inventory.Errorf(inventory.ErrNotFound, "there is no setting %q", key)
		}
		if structured(c) {
			return printValue(c, values[i])
		}
		fmt.Fprintln(c.App.Writer, values[i].Value)
		return nil
	}
	return printList(c, values, []column[wire.Value]{
		{"setting", false, func(v wire.Value) string { return v.Setting }},
		{"value", false, func(v wire.Value) string { return v.Value }},
		{"origin", false, func(v wire.Value) string { return v.Origin }},
	})
}

// revisions returns a container's history, newest first.
func revisions(c *cli.Context) ([]wire.Revision, error) {
	api, err := dial(c)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	return api.History(c.Context, ref(c, c.Args().First()))
}

func history(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("history needs the name of a container")
	}
	all, err := revisions(c)
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Revision]{
		{"revision", false, func(r wire.Revision) string { return fmt.Sprint(r.Revision) }},
		{"at", false, func(r wire.Revision) string { return when(r.At) }},
		{"by", false, func(r wire.Revision) string { return r.Principal.Name }},
		{"verb", false, func(r wire.Revision) string { return r.Verb }},
		{"reason", false, func(r wire.Revision) string { return r.Reason }},
		{"ticket", false, func(r wire.Revision) string { return r.Ticket }},
		{"operation", true, func(r wire.Revision) string { return string(r.Operation) }},
	})
}

// diff shows what the last revision changed, or everything since REV.
func diff(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("diff needs NAME and may have REV")
	}
	all, err := revisions(c)
	if err != nil {
		return err
	}
	if len(all) < 2 && c.NArg() == 1 {
		return nil // only ever created
	}
	from := 1
	if c.NArg() == 2 {
		rev, err := strconv.ParseInt(c.Args().Get(1), 10, 64)
		if from = slices.IndexFunc(all, func(r wire.Revision) bool { return r.Revision == rev }); err != nil || from < 0 {
			return inventory.Errorf(inventory.ErrNotFound, "%s has no revision %s", c.Args().First(), c.Args().Get(1))
		}
	}
	lines := inventory.Diff(desired(all[from].Container), desired(all[0].Container), nil)
	if structured(c) {
		return printValue(c, lines)
	}
	for _, line := range lines {
		printEffect(c.App.Writer, inventory.EffectLine{Field: line.Field, Before: line.Before, After: line.After})
	}
	return nil
}

// desired turns the API's container back into what it was written from, as far as a diff looks.
func desired(w wire.Container) *inventory.Container {
	c := &inventory.Container{Name: w.Name, Project: w.Project, Owner: w.Owner, Purpose: w.Purpose, Environment: w.Environment,
		DataClass: w.DataClass, Ticket: w.Ticket, Image: w.Image, ImageDigest: w.ImageDigest, Pool: w.Pool, After: w.After,
		Intent: w.Intent, ExpiresAt: w.ExpiresAt, TrashedAt: w.TrashedAt, Labels: w.Labels, Settings: w.Settings}
	return c
}

func revert(c *cli.Context) error {
	rev, err := strconv.ParseInt(c.Args().Get(1), 10, 64)
	if c.NArg() != 2 || err != nil {
		return usage("revert needs NAME and the number of a revision; 'lodge history NAME' lists them")
	}
	return mutateEach(c, []string{c.Args().First()}, "is reverted", func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.Revert(ctx, ref(c, name), inventory.RevertArgs{Revision: rev}, o)
	})
}
