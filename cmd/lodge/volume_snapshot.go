package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/web/client"
	"lodge/web/wire"
)

func volumeSnapshotCommand() *cli.Command {
	return &cli.Command{Name: "snapshot", Usage: "the state of a volume at one instant", Subcommands: []*cli.Command{
		{Name: "create", Usage: "take one", ArgsUsage: "VOLUME [SNAP]", Action: snapshotVolume, BashComplete: completeVolumes,
			Flags: mutationFlags(&cli.StringFlag{Name: "note", Usage: "`TEXT` kept with it"})},
		{Name: "list", Aliases: []string{"ls"}, Usage: "list a volume's snapshots", ArgsUsage: "VOLUME",
			Action: listVolumeSnapshots, BashComplete: completeVolumes},
		{Name: "restore", Usage: "make the volume what it was; the present state is kept as a snapshot",
			ArgsUsage: "VOLUME SNAP", Flags: mutationFlags(), Action: restoreVolume, BashComplete: completeVolumes},
		{Name: "delete", Aliases: []string{"rm"}, Usage: "remove snapshots for good", ArgsUsage: "VOLUME SNAP...",
			Flags: mutationFlags(), Action: deleteVolumeSnapshots, BashComplete: completeVolumes},
	}}
}

func snapshotVolume(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("volume snapshot create needs VOLUME and may have SNAP")
	}
	return mutateEach(c, []string{c.Args().First()}, snapshotTaken,
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.SnapshotVolume(ctx, ref(c, name), c.Args().Get(1), c.String("note"), o)
		})
}

func listVolumeSnapshots(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("volume snapshot list needs the name of a volume")
	}
	all, err := read(c, func(api *client.Client) ([]wire.VolumeSnapshot, error) {
		return api.VolumeSnapshots(c.Context, ref(c, c.Args().First()))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.VolumeSnapshot]{
		{"name", false, func(s wire.VolumeSnapshot) string { return s.Name }},
		{"created", false, func(s wire.VolumeSnapshot) string { return when(s.CreatedAt) }},
		{"note", false, func(s wire.VolumeSnapshot) string { return s.Note }},
	})
}

func restoreVolume(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("volume snapshot restore needs VOLUME and SNAP")
	}
	name, snap := c.Args().Get(0), c.Args().Get(1)
	if err := confirm(c, fmt.Sprintf("put volume %s back to snapshot %s", name, snap)); err != nil {
		return err
	}
	return mutateEach(c, []string{name}, is("is as it was"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.RestoreVolume(ctx, ref(c, name), snap, o)
		})
}

func deleteVolumeSnapshots(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("volume snapshot delete needs VOLUME and at least one SNAP")
	}
	name := c.Args().First()
	if err := confirm(c, fmt.Sprintf("remove snapshot %s of volume %s for good",
		strings.Join(c.Args().Tail(), ", "), name)); err != nil {
		return err
	}
	for _, snap := range c.Args().Tail() {
		err := mutateEach(c, []string{name}, is("has snapshot "+snap+" no more"),
			func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
				return api.DeleteVolumeSnapshot(ctx, ref(c, name), snap, o)
			})
		if err != nil {
			return err
		}
	}
	return nil
}
