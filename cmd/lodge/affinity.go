package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func affinityCommands() []*cli.Command {
	return []*cli.Command{{Name: "affinity", Category: "Host", Usage: "which containers may not, or have to, share a host",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the rules, and what breaks them now", Action: listAffinities},
			{Name: "add", Usage: "add an application's rule, or replace it", ArgsUsage: "APP apart|together FIELD=VALUE,...",
				Description: "Members are the containers with the label app=APP whose field has one of the values. apart:\n" +
					"members of different values never share a host; with one value, no two members do. together: all\n" +
					"are on one host. It is checked at create, clone, start, trash restore and changes of labels.",
				Flags:  mutationFlags(&cli.BoolFlag{Name: "prefer", Usage: "say so in plans, and refuse nothing"}),
				Action: addAffinity},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "remove an application's rule", ArgsUsage: "APP...",
				Flags: mutationFlags(), Action: removeAffinity},
		}}}
}

func listAffinities(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Affinity, error) { return api.Affinities(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Affinity]{
		{"app", false, func(a wire.Affinity) string { return a.App }},
		{"form", false, func(a wire.Affinity) string { return string(a.Form) }},
		{"members", false, func(a wire.Affinity) string { return a.Members }},
		{"prefer", false, func(a wire.Affinity) string { return yes(a.Prefer) }},
		{"violations", false, func(a wire.Affinity) string { return strings.Join(a.Violations, "; ") }},
		{"reason", true, func(a wire.Affinity) string { return a.Reason }},
	})
}

func addAffinity(c *cli.Context) error {
	if c.NArg() != 3 {
		return usage("affinity add needs an application, a form and its members, like: lodge affinity add shop apart env=prod,dr")
	}
	args := inventory.AffinityArgs{App: c.Args().Get(0), Form: c.Args().Get(1), Members: c.Args().Get(2),
		Prefer: c.Bool("prefer")}
	return mutateEach(c, []string{args.App}, is("has its affinity"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.AddAffinity(ctx, args, o)
		})
}

func removeAffinity(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("has no affinity any more"),
		func(ctx context.Context, api *client.Client, app string, o client.Options) (client.Answer, error) {
			return api.RemoveAffinity(ctx, app, o)
		})
}
