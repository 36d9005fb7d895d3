package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func groupCommands() []*cli.Command {
	note := &cli.StringFlag{Name: "note", Usage: "what it is for, in a line: `TEXT`"}
	return []*cli.Command{{Name: "group", Category: identityCategory, Usage: "users that are given roles together",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list groups with their members", Action: listGroups},
			{Name: "create", Usage: "make a group", ArgsUsage: "GROUP [MEMBER...]", Flags: mutationFlags(note),
				Action: changeGroup("is a group", func(name string, members []string, n *string) inventory.GroupArgs {
					return inventory.GroupArgs{Name: name, Note: n, Add: members}
				}, (*client.Client).CreateGroup)},
			{Name: "add", Usage: "take users and groups in", ArgsUsage: "GROUP MEMBER...", Flags: mutationFlags(),
				Action: changeGroup("has its members", func(name string, members []string, _ *string) inventory.GroupArgs {
					return inventory.GroupArgs{Name: name, Add: members}
				}, updateGroup), BashComplete: completeGroups},
			{Name: "remove", Usage: "let users and groups go", ArgsUsage: "GROUP MEMBER...", Flags: mutationFlags(),
				Action: changeGroup("has its members", func(name string, members []string, _ *string) inventory.GroupArgs {
					return inventory.GroupArgs{Name: name, Remove: members}
				}, updateGroup), BashComplete: completeGroups},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove groups; their roles go with them", ArgsUsage: "GROUP...",
				Flags: mutationFlags(), Action: eachAccount("is gone", (*client.Client).DeleteGroup), BashComplete: completeGroups},
		}}}
}

func listGroups(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Group, error) { return api.Groups(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Group]{
		{"name", false, func(g wire.Group) string { return g.Name }},
		{"members", false, func(g wire.Group) string { return strings.Join(g.Members, " ") }},
		{"note", false, func(g wire.Group) string { return g.Note }},
		{"id", true, func(g wire.Group) string { return string(g.ID) }},
		{"created", true, func(g wire.Group) string { return when(g.CreatedAt) }},
	})
}

// changeGroup reads GROUP MEMBER... and asks for what becomes of them.
func changeGroup(end string, args func(name string, members []string, note *string) inventory.GroupArgs,
	do func(*client.Client, context.Context, inventory.GroupArgs, client.Options) (client.Answer, error)) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.NArg() == 0 || c.NArg() == 1 && c.Command.Name != "create" {
			return usage("%s needs a GROUP and its MEMBERs", commandName(c))
		}
		a := args(c.Args().First(), c.Args().Tail(), flagText(c, "note"))
		return mutateEach(c, []string{a.Name}, is(end),
			func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
				return do(api, ctx, a, o)
			})
	}
}

func updateGroup(api *client.Client, ctx context.Context, args inventory.GroupArgs, o client.Options) (client.Answer, error) {
	return api.UpdateGroup(ctx, args.Name, args, o)
}

func completeGroups(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Groups(ctx)
		for _, g := range all {
			names = append(names, g.Name)
		}
		return names, err
	})
}
