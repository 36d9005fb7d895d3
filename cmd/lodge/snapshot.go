package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func snapshotCommands() []*cli.Command {
	return []*cli.Command{{Name: "snapshot", Category: "Snapshots",
		Usage: "the state of a container at one instant", Subcommands: []*cli.Command{
			{Name: "create", Usage: "take one", ArgsUsage: "NAME [SNAP]", Flags: mutationFlags(
				&cli.StringFlag{Name: "note", Usage: "`TEXT` kept with it"}, &cli.BoolFlag{Name: "pin",
					Usage: "never delete it"},
				&cli.StringFlag{Name: "expires", Usage: "delete it after `DURATION`"}), Action: createSnapshot, BashComplete: completeContainers},
			{Name: "list", Aliases: []string{"ls"}, Usage: "list a container's snapshots",
				ArgsUsage: "NAME", Flags: []cli.Flag{&cli.StringFlag{Name: "keep",
					Usage: "say what would be kept by `NUMBERS` like '7d 4w 12m'; nothing is removed"}},
				Action: listSnapshots, BashComplete: completeContainers},
			{Name: "runs", Usage: "when a container's schedule ran and runs next, and what came of it",
				ArgsUsage: "NAME", Action: listSnapshotRuns, BashComplete: completeContainers},
			{Name: "show", Usage: "everything about one", ArgsUsage: "NAME SNAP", Action: showSnapshot,
				BashComplete: completeContainers},
			{Name: "restore",
				Usage: "make the container what it was; the present state is kept as a snapshot", ArgsUsage: "NAME SNAP",
				Flags: mutationFlags(), Action: restoreSnapshot, BashComplete: completeContainers},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove snapshots for good",
				ArgsUsage: "NAME SNAP...", Flags: mutationFlags(), Action: deleteSnapshots, BashComplete: completeContainers},
		}}}
}

func createSnapshot(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("snapshot create needs NAME and may have SNAP")
	}
	args := inventory.SnapshotArgs{Name: c.Args().Get(1), Note: c.String("note"),
		Pinned: c.Bool("pin"), Expires: c.String("expires")}
	return mutateEach(c, []string{c.Args().First()}, snapshotTaken,
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer,
			error) {
			return api.CreateSnapshot(ctx, ref(c, name), args, o)
		})
}

func snapshotTaken(_ *cli.Context, _ *client.Client, op wire.Operation) string {
	var result struct {
		Snapshot string `json:"snapshot"`
	}
	if json.Unmarshal(op.Result, &result) != nil || result.Snapshot == "" {
		return op.Name + " has a new snapshot"
	}
	return op.Name + " has snapshot " + result.Snapshot
}

func listSnapshots(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("snapshot list needs the name of a container")
	}
	all, err := read(c, func(api *client.Client) ([]wire.Snapshot, error) {
		return api.Snapshots(c.Context, ref(c, c.Args().First()), c.String("keep"))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Snapshot]{
		{"name", false, func(s wire.Snapshot) string { return s.Name }},
		{"created", false, func(s wire.Snapshot) string { return when(s.CreatedAt) }},
		{"running", false, func(s wire.Snapshot) string { return yes(s.Running) }},
		{"pinned", false, func(s wire.Snapshot) string { return yes(s.Pinned) }},
		{"expires", false, func(s wire.Snapshot) string { return when(s.ExpiresAt) }},
		{"kept", false, keptBy},
		{"note", false, func(s wire.Snapshot) string { return s.Note }},
	})
}

// keptBy says why a snapshot of a schedule is kept, or that it is not.
func keptBy(s wire.Snapshot) string {
	if !s.Kept {
		return "no: " + s.Why
	}
	return s.Why
}

func listSnapshotRuns(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("snapshot runs needs the name of a container")
	}
	all, err := read(c, func(api *client.Client) ([]wire.Run, error) {
		return api.SnapshotRuns(c.Context, ref(c, c.Args().First()))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Run]{
		{"due", false, func(r wire.Run) string { return when(r.Due) }},
		{"began", false, func(r wire.Run) string { return when(r.Began) }},
		{"took", false, func(r wire.Run) string {
			if r.Ended.IsZero() {
				return ""
			}
			return r.Ended.Sub(r.Began).Round(time.Millisecond).String()
		}},
		{"outcome", false, func(r wire.Run) string { return r.Outcome }},
		{"operation", true, func(r wire.Run) string { return string(r.Operation) }},
		{"schedule", true, func(r wire.Run) string { return r.Schedule }},
	})
}

func showSnapshot(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("snapshot show needs NAME and SNAP")
	}
	s, err := read(c, func(api *client.Client) (wire.Snapshot, error) {
		return api.Snapshot(c.Context, ref(c, c.Args().First()), c.Args().Get(1))
	})
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, s)
	}
	printFields(c.App.Writer, []field{{"name", s.Name}, {"note", s.Note},
		{"created", when(s.CreatedAt)}, {"running", yes(s.Running)},
		{"pinned", yes(s.Pinned)}, {"kept", keptBy(s)}, {"expires", when(s.ExpiresAt)}, {"revision", fmt.Sprint(s.Revision)}, {"container", string(s.Container)}})
	return nil
}

func restoreSnapshot(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("snapshot restore needs NAME and SNAP")
	}
	name, snap := c.Args().Get(0), c.Args().Get(1)
	if err := confirm(c, fmt.Sprintf("put %s back to snapshot %s", name, snap)); err != nil {
		return err
	}
	return mutateEach(c, []string{name}, is("is as it was"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer,
			error) {
			return api.RestoreSnapshot(ctx, ref(c, name), snap, o)
		})
}

func deleteSnapshots(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("snapshot delete needs NAME and at least one SNAP")
	}
	name := c.Args().First()
	if err := confirm(c, fmt.Sprintf("remove snapshot %s of %s for good",
		strings.Join(c.Args().Tail(), ", "), name)); err != nil {
		return err
	}
	for _, snap := range c.Args().Tail() { // one after the other: a container takes one operation at a time
		err := mutateEach(c, []string{name}, is("has snapshot "+snap+" no more"),
			func(ctx context.Context, api *client.Client, name string,
				o client.Options) (client.Answer, error) {
				return api.DeleteSnapshot(ctx, ref(c, name), snap, o)
			})
		if err != nil {
			return err
		}
	}
	return nil
}
