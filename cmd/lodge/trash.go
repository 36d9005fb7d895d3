package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
					Flags: mutationFlags(&cli.StringFlag{Name: "as", Usage: "under another `NAME`"}), Action: restore, BashComplete: completeTrash},
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
	args := inventory.RestoreArgs{Name: c.String("as")}
	if args.Name != "" && len(names) != 1 {
		return usage("one container comes back --as NAME, not %d", len(names))
	}
	return mutateEach(c, names, isBack(args.Name), func(ctx context.Context, api *client.Client,
		name string, o client.Options) (client.Answer, error) {
		return api.RestoreAs(ctx, ref(c, name), args, o)
	})
}

// freeName lets what lies in the trash under a name lie there under another: the name with the
// moment it was deleted. It does nothing for a name that nothing in the trash has. With --plan it
// shows that alone, and says so: what comes then can't be planned before.
func freeName(c *cli.Context, name string) (planned bool, err error) {
	w, err := read(c, func(api *client.Client) (wire.Container, error) { return api.Container(c.Context, ref(c, name)) })
	if errors.Is(err, inventory.ErrNotFound) || err == nil && w.TrashedAt.IsZero() {
		return false, nil // if it is taken, the plan that follows says by whom
	}
	if err != nil {
		return false, err
	}
	args := inventory.RenameArgs{Name: w.Name + w.TrashedAt.UTC().Format("-20060102-150405")}
	kept := nameHere(c, wire.Container{Project: w.Project, Name: args.Name})
	err = mutateEach(c, []string{name}, says(fmt.Sprintf("the %s in the trash is %s now; 'lodge trash restore %s --as NAME' brings it back",
		name, kept, kept)), func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.Rename(ctx, ref(c, name), args, o)
	})
	if err == nil && c.Bool("plan") && !structured(c) {
		fmt.Fprintf(c.App.Writer, "%s lies in the trash; with its name free, %s goes on\n", name, c.Command.Name)
	}
	return c.Bool("plan"), err
}

// isBack says also why one that is to run does not.
func isBack(as string) ending {
	return func(_ *cli.Context, _ *client.Client, op wire.Operation) string {
		name := cmp.Or(as, op.Name)
		var result struct {
			Down string `json:"down"`
		}
		if json.Unmarshal(op.Result, &result) != nil || result.Down == "" {
			return name + " is back"
		}
		return name + " is back, and does not run: " + result.Down
	}
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
