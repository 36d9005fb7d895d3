package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func historyCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "history", Category: "Settings", Usage: "who changed what, when and why",
			ArgsUsage: "NAME", Action: history, BashComplete: completeContainers},
		{Name: "diff", Category: "Settings", Usage: "what the last change was, or all since REV",
			ArgsUsage: "NAME [REV]", Action: diff, BashComplete: completeContainers},
		{Name: "revert", Category: "Settings",
			Usage: "bring back the facts and settings of a revision", ArgsUsage: "NAME REV",
			Flags: mutationFlags(), Action: revert, BashComplete: completeContainers},
	}
}

// revisions returns a container's history, newest first.
func revisions(c *cli.Context) ([]wire.Revision, error) {
	return read(c, func(api *client.Client) ([]wire.Revision, error) {
		return api.History(c.Context, ref(c, c.Args().First()))
	})
}

func history(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("history needs the name of a container")
	}
	all, err := revisions(c)
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Revision]{
		{"revision", false, func(r wire.Revision) string { return fmt.Sprint(r.Revision) }},
		{"at", false, func(r wire.Revision) string { return when(r.At) }},
		{"by", false, func(r wire.Revision) string { return r.Principal.Name }},
		{"verb", false, func(r wire.Revision) string { return r.Verb }},
		{"reason", false, func(r wire.Revision) string { return r.Reason }},
		{"ticket", false, func(r wire.Revision) string { return r.Ticket }},
		{"operation", true, func(r wire.Revision) string { return string(r.Operation) }},
	})
}

// diff shows what the last revision changed, or everything since REV.
func diff(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("diff needs NAME and may have REV")
	}
	all, err := revisions(c)
	if err != nil {
		return err
	}
	if len(all) < 2 && c.NArg() == 1 {
		return nil // only ever created
	}
	from := 1
	if c.NArg() == 2 {
		rev, err := strconv.ParseInt(c.Args().Get(1), 10, 64)
		if from = slices.IndexFunc(all,
			func(r wire.Revision) bool { return r.Revision == rev }); err != nil || from < 0 {
			return inventory.Errorf(inventory.ErrNotFound, "%s has no revision %s",
				c.Args().First(), c.Args().Get(1))
		}
	}
	lines := inventory.Diff(desired(all[from].Container), desired(all[0].Container), nil)
	if structured(c) {
		return printValue(c, lines)
	}
	for _, line := range lines {
		printEffect(c.App.Writer, inventory.EffectLine{Field: line.Field, Before: line.Before,
			After: line.After})
	}
	return nil
}

// desired turns the API's container back into what it was written from, as far as a diff looks.
func desired(w wire.Container) *inventory.Container {
	return &inventory.Container{Name: w.Name, Project: w.Project, Owner: w.Owner,
		Purpose: w.Purpose, Environment: w.Environment,
		DataClass: w.DataClass, Ticket: w.Ticket, Image: w.Image, ImageDigest: w.ImageDigest, Pool: w.Pool, After: w.After,
		Intent: w.Intent, ExpiresAt: w.ExpiresAt, RunUntil: w.RunUntil, TrashedAt: w.TrashedAt, Labels: w.Labels, Settings: w.Settings}
}

func revert(c *cli.Context) error {
	rev, err := strconv.ParseInt(c.Args().Get(1), 10, 64)
	if c.NArg() != 2 || err != nil {
		return usage("revert needs NAME and the number of a revision; 'lodge history NAME' lists them")
	}
	return mutateEach(c, []string{c.Args().First()}, is("is reverted"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer,
			error) {
			return api.Revert(ctx, ref(c, name), inventory.RevertArgs{Revision: rev}, o)
		})
}
