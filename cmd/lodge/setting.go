package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func settingCommands() []*cli.Command {
	forFlag := &cli.StringFlag{Name: "for", Usage: "go back after `DURATION`: 2h"}
	return []*cli.Command{
		{Name: "set", Category: "Settings", Usage: "change settings of a container",
			ArgsUsage:   "NAME KEY=VALUE...",
			Description: "Facts can be set too: owner, purpose, env, class, ticket, after.", Flags: mutationFlags(forFlag), Action: set, BashComplete: completeContainers},
		{Name: "unset", Category: "Settings", Usage: "go back to inherited values",
			ArgsUsage: "NAME KEY...", Flags: mutationFlags(), Action: unset, BashComplete: completeContainers},
		{Name: "get", Category: "Settings", Usage: "settings in force, and where they come from",
			ArgsUsage: "NAME [KEY]", Action: get, BashComplete: completeContainers},
		{Name: "resize", Category: "Settings", Usage: "change the size of a container",
			ArgsUsage: "NAME", Flags: mutationFlags(forFlag,
				&cli.StringFlag{Name: "cpus",
					Usage: "`NUMBER` of CPUs"}, &cli.StringFlag{Name: "memory", Usage: "`SIZE`"},
				&cli.StringFlag{Name: "disk", Usage: "`SIZE`"}), Action: resize, BashComplete: completeContainers},
	}
}

// update sends changed facts or settings of the container named first.
func update(c *cli.Context, args inventory.UpdateArgs) error {
	return mutateEach(c, []string{c.Args().First()}, is("is changed"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer,
			error) {
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
		case "ticket":
			args.Ticket = &value
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

func get(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("get needs NAME and may have KEY")
	}
	values, err := read(c, func(api *client.Client) ([]wire.Value, error) {
		return api.ContainerSettings(c.Context, ref(c, c.Args().First()))
	})
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
		fmt.Fprintln(c.App.Writer, printable(values[i].Value))
		return nil
	}
	return printList(c, values, []column[wire.Value]{
		{"setting", false, func(v wire.Value) string { return v.Setting }},
		{"value", false, func(v wire.Value) string { return v.Value }},
		{"origin", false, func(v wire.Value) string { return v.Origin }},
	})
}
