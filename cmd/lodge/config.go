package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func configCommands() []*cli.Command {
	return []*cli.Command{{Name: "config", Category: "Host",
		Usage: "settings of the host, defaults of its containers", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "every setting there is", Action: listConfig},
			{Name: "get", Usage: "one setting of the host", ArgsUsage: "KEY", Action: getConfig},
			{Name: "set", Usage: "change settings of the host", ArgsUsage: "KEY=VALUE...",
				Flags: mutationFlags(), Action: setConfig},
			{Name: "unset", Usage: "go back to the defaults", ArgsUsage: "KEY...",
				Flags: mutationFlags(), Action: unsetConfig},
		}}}
}

func listConfig(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Setting, error) { return api.Settings(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Setting]{
		{"setting", false, func(s wire.Setting) string { return s.Name }},
		{"value", false, func(s wire.Setting) string { return s.Value }},
		{"origin", false, func(s wire.Setting) string { return s.Origin }},
		{"effect", false, func(s wire.Setting) string { return string(s.Effect) }},
		{"default", true, func(s wire.Setting) string { return s.Default }},
		{"scopes", true, func(s wire.Setting) string { return fmt.Sprint(s.Scopes) }},
		{"doc", false, func(s wire.Setting) string { return s.Doc }},
	})
}

func getConfig(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("config get needs one KEY")
	}
	all, err := read(c, func(api *client.Client) ([]wire.Setting, error) { return api.Settings(c.Context) })
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Name == c.Args().First() {
			if structured(c) {
				return printValue(c, s)
			}
			fmt.Fprintln(c.App.Writer, printable(s.Value))
			return nil
		}
	}
	return inventory.Errorf(inventory.ErrNotFound, "there is no setting %q", c.Args().First())
}

func setConfig(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("config set needs KEY=VALUE")
	}
	values, err := pairs("config set", c.Args().Slice())
	if err != nil {
		return err
	}
	return changeConfig(c, inventory.ConfigArgs{Settings: values})
}

func unsetConfig(c *cli.Context) error {
	keys, err := named(c)
	if err != nil {
		return err
	}
	return changeConfig(c, inventory.ConfigArgs{Unset: keys})
}

func changeConfig(c *cli.Context, args inventory.ConfigArgs) error {
	return mutateEach(c, []string{"the host"}, says("the host is changed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.SetConfig(ctx, args, o)
		})
}
