package main

import (
	"context"
	"maps"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
)

func factCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "rename", Category: "Containers", Usage: "give a stopped container another name",
			ArgsUsage: "OLD NEW",
			Flags:     mutationFlags(), Action: rename, BashComplete: completeContainers},
		{Name: "label", Category: "Settings", Usage: "set or take away labels",
			ArgsUsage: "NAME KEY=VALUE|KEY-...",
			Flags:     mutationFlags(), Action: label, BashComplete: completeContainers},
		{Name: "owner", Category: "Settings", Usage: "say who answers for containers",
			ArgsUsage:   "NAME... USER",
			Description: "With --filter or --all, USER takes over everything that is chosen.",
			Flags:       manyFlags(), Action: owner, BashComplete: completeContainers},
	}
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
		pair, err := pairs("label", []string{arg})
		if err != nil {
			return err
		}
		maps.Copy(args.Labels, pair)
	}
	return update(c, args)
}

func owner(c *cli.Context) error {
	words := c.Args().Slice()
	many := c.Bool("all") || c.String("filter") != ""
	if len(words) < 1 || !many && len(words) < 2 {
		return usage("owner needs NAME and USER, like: lodge owner web1 dev2")
	}
	user, names := words[len(words)-1], once(words[:len(words)-1])
	if many {
		if len(names) > 0 {
			return usage("give names, or --all or --filter, not both")
		}
		chosen, err := chosenBy(c)
		if err != nil {
			return err
		}
		names = chosen
	}
	return mutateEach(c, names, is("is "+user+"'s"), func(ctx context.Context, api *client.Client, name string,
		o client.Options) (client.Answer, error) {
		return api.Update(ctx, ref(c, name), inventory.UpdateArgs{Owner: &user}, o)
	})
}

func rename(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("rename needs the old and the new name")
	}
	args := inventory.RenameArgs{Name: c.Args().Get(1)}
	return mutateEach(c, []string{c.Args().First()},
		says(c.Args().First()+" is called "+args.Name+" now"), func(ctx context.Context,
			api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.Rename(ctx, ref(c, name), args, o)
		})
}
