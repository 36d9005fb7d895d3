package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func forwardCommands() []*cli.Command {
	return []*cli.Command{{Name: "forward", Category: "Network", Usage: "ports of the host that are a container's",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the forwards", Action: listForwards},
			{Name: "add", Usage: "give ports of the host to a container", ArgsUsage: "[udp/][ADDRESS]:PORT[-PORT] NAME:PORT[-PORT]",
				Description: "Without an address all of the host's are meant. Other containers and the host itself reach the container\n" +
					"the same way. lodge forward add :8443 web1:443; lodge forward add udp/192.0.2.1:53 dns1:53",
				Flags: mutationFlags(), Action: addForward},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "take ports back", ArgsUsage: "ID|[udp/][ADDRESS]:PORT...", Flags: mutationFlags(),
				Action: removeForwards},
		}}}
}

func listForwards(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Forward, error) { return api.Forwards(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Forward]{
		{"id", false, func(f wire.Forward) string { return f.ID }},
		{"listen", false, func(f wire.Forward) string { return f.Listen }},
		{"target", false, func(f wire.Forward) string { return f.Target }},
		{"reason", true, func(f wire.Forward) string { return f.Reason }},
	})
}

func addForward(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("forward add needs a port of the host and one of a container, like: lodge forward add :8443 web1:443")
	}
	args := inventory.ForwardArgs{Listen: c.Args().Get(0), Target: c.Args().Get(1)}
	if name, port, ok := strings.Cut(args.Target, ":"); ok {
		args.Target = ref(c, name).String() + ":" + port
	}
	return mutateEach(c, []string{args.Listen}, is("is forwarded"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.AddForward(ctx, args, o)
		})
}

func removeForwards(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is not forwarded any more"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			if f, err := inventory.ParseListen(name); err == nil {
				name = f.ID
			}
			return api.RemoveForward(ctx, name, o)
		})
}
