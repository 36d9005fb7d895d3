package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
)

func moveCommands() []*cli.Command {
	return []*cli.Command{{Name: "move", Category: "Containers", Usage: "give containers another place",
		ArgsUsage: "NAME...",
		Description: "A stopped container can go to another project: its names follow, address and data stay,\n" +
			"and it inherits the new project's defaults.\n" +
			"A container that goes to another pool is stopped, copied and started; --plan says for how long. Its old\n" +
			"root is removed once the new one is in use; where that could not be done, --tidy does it later.",
		Flags: mutationFlags(
			&cli.StringFlag{Name: "to-project", Usage: "the `PROJECT` it is to belong to"},
			&cli.StringFlag{Name: "pool", Usage: "the `POOL` it goes to; with --tidy, the one it has left"},
			&cli.BoolFlag{Name: "drop-snapshots", Usage: "lose its snapshots, which can't go to another pool"},
			&cli.BoolFlag{Name: "tidy", Usage: "remove what an earlier move has left in POOL"}),
		Action: move, BashComplete: completeContainers}}
}

func move(c *cli.Context) error {
	if c.IsSet("pool") && !c.IsSet("to-project") {
		return moveToPool(c)
	}
	if c.NArg() != 1 || !c.IsSet("to-project") || c.IsSet("pool") {
		return usage("move needs the NAME of one container and --to-project PROJECT, or names and --pool POOL")
	}
	args := inventory.MoveProjectArgs{Project: c.String("to-project")}
	return mutateEach(c, []string{c.Args().First()}, is("is in project "+args.Project),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.MoveProject(ctx, ref(c, name), args, o)
		})
}
