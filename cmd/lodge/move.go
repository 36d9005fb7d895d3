package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
)

func moveCommands() []*cli.Command {
	return []*cli.Command{{Name: "move", Category: "Containers", Usage: "give a container another place",
		ArgsUsage: "NAME",
		Description: "A stopped container can go to another project: its names follow, address and data stay,\n" +
			"and it inherits the new project's defaults.",
		Flags: mutationFlags(&cli.StringFlag{Name: "to-project",
			Usage: "the `PROJECT` it is to belong to"}),
		Action: move, BashComplete: completeContainers}}
}

func move(c *cli.Context) error {
	if c.NArg() != 1 || !c.IsSet("to-project") {
		return usage("move needs the NAME of one container and --to-project PROJECT")
	}
	args := inventory.MoveProjectArgs{Project: c.String("to-project")}
	return mutateEach(c, []string{c.Args().First()}, is("is in project "+args.Project),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.MoveProject(ctx, ref(c, name), args, o)
		})
}
