package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func trashCommands() []*cli.Command {
	purge := &cli.BoolFlag{Name: "purge", Usage: "not to the trash: for good, at once"}
	return []*cli.Command{
		{Name: "delete", Aliases: []string{"rm"}, Category: "Containers",
			Usage: "move containers to the trash", ArgsUsage: "NAME...",
			Description: "A deleted container is stopped and hidden. Its data, name and address are kept until it is purged.",
			Flags:       manyFlags(purge), Action: deleteContainers, BashComplete: completeContainers},
		{Name: "trash", Category: "Containers", Usage: "what was deleted and can come back",
			Subcommands: []*cli.Command{
				{Name: "list", Aliases: []string{"ls"}, Usage: "list what lies in the trash", Action: listTrash,
					Flags: []cli.Flag{allProjects(),
						&cli.StringFlag{Name: "columns", Usage: "the `COLUMNS` to show"}}},
				{Name: "restore", Usage: "bring containers back", ArgsUsage: "NAME...",
					Flags: mutationFlags(), Action: restore, BashComplete: completeTrash},
				{Name: "purge", Usage: "remove containers for good", ArgsUsage: "NAME...",
					Flags: mutationFlags(), Action: purgeContainers, BashComplete: completeTrash},
			}},
	}
}

func deleteContainers(c *cli.Context) error {
	names, err := chosenNames(c)
	if err != nil {
		return err
	}
	if c.Bool("purge") {
		return purgeNames(c, names, (*client.Client).Purge)
	}
	return mutateEach(c, names, is("is in the trash"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer,
			error) {
			return api.Delete(ctx, ref(c, name), false, o)
		})
}

func listTrash(c *cli.Context) error { return listContainers(c, client.ContainerQuery{Trash: true}) }

func restore(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, isBack, func(ctx context.Context, api *client.Client,
		name string, o client.Options) (client.Answer, error) {
		return api.Restore(ctx, ref(c, name), o)
	})
}

// isBack says also why one that is to run does not.
func isBack(_ *cli.Context, _ *client.Client, op wire.Operation) string {
	var result struct {
		Down string `json:"down"`
	}
	if json.Unmarshal(op.Result, &result) != nil || result.Down == "" {
		return op.Name + " is back"
	}
	return op.Name + " is back, and does not run: " + result.Down
}

func purgeContainers(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return purgeNames(c, names, (*client.Client).PurgeTrashed)
}

func purgeNames(c *cli.Context, names []string, purge func(*client.Client, context.Context,
	inventory.Ref, client.Options) (client.Answer, error)) error {
	if len(names) == 0 {
		return nil
	}
	if err := confirm(c, fmt.Sprintf("remove %s with all data and snapshots for good",
		strings.Join(names, ", "))); err != nil {
		return err
	}
	return mutateEach(c, names, is("is gone"), func(ctx context.Context, api *client.Client,
		name string, o client.Options) (client.Answer, error) {
		return purge(api, ctx, ref(c, name), o)
	})
}
