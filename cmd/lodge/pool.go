package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func poolCommands() []*cli.Command {
	one := func(name, usage string, action cli.ActionFunc) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: "NAME", Flags: mutationFlags(),
			Action: action, BashComplete: completePools}
	}
	remove := one("delete", "remove pools nothing is on, with all that lies in them", deletePools)
	remove.Aliases = []string{"rm"}
	return []*cli.Command{
		{Name: "pool", Category: "Host", Usage: "where root file systems lie", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list pools, their room and health", Action: listPools},
			{Name: "show", Usage: "everything about one", ArgsUsage: "NAME", Action: showPool, BashComplete: completePools},
			{Name: "create", Usage: "make a pool", ArgsUsage: "NAME",
				Description: "btrfs: a file below the agent's root, or a folder on a btrfs; snapshots and clones copy nothing.\n" +
					"dir: a folder on any file system; containers with a size get a file system of their own.",
				Flags: mutationFlags(
					&cli.StringFlag{Name: "driver", Usage: "`DRIVER`: btrfs or dir", Value: "btrfs"},
					&cli.StringFlag{Name: "source", Usage: "empty `FOLDER` for it; below the agent's root if not given"},
					&cli.StringFlag{Name: "size", Usage: "`SIZE` of its file, for btrfs without a source"}),
				Action: createPool},
			remove,
			one("set-default", "have new containers come to this pool", setDefaultPool),
			one("scrub", "read everything in a pool and compare it with its checksums", scrubPool),
		}},
	}
}

func completePools(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Pools(ctx)
		for _, p := range all {
			names = append(names, p.Name)
		}
		return names, err
	})
}

func listPools(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Pool, error) { return api.Pools(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Pool]{
		{"name", false, func(p wire.Pool) string { return p.Name }},
		{"driver", false, func(p wire.Pool) string { return p.Driver }},
		{"state", false, func(p wire.Pool) string { return p.State }},
		{"default", false, func(p wire.Pool) string { return yes(p.Default) }},
		{"size", false, func(p wire.Pool) string { return bytesText(p.SizeBytes) }},
		{"used", false, func(p wire.Pool) string { return bytesText(p.UsedBytes) }},
		{"free", false, func(p wire.Pool) string { return bytesText(p.FreeBytes) }},
		{"containers", false, func(p wire.Pool) string { return fmt.Sprint(p.Containers) }},
		{"warnings", false, func(p wire.Pool) string { return fmt.Sprint(len(p.Warnings)) }},
		{"snapshots", true, func(p wire.Pool) string { return fmt.Sprint(p.Snapshots) }},
		{"images", true, func(p wire.Pool) string { return fmt.Sprint(p.Images) }},
		{"scrubbed", true, func(p wire.Pool) string { return when(p.ScrubbedAt) }},
		{"path", true, func(p wire.Pool) string { return p.Path }},
	})
}

func showPool(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("pool show needs the name of a pool")
	}
	p, err := read(c, func(api *client.Client) (wire.Pool, error) { return api.Pool(c.Context, c.Args().First()) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, p)
	}
	sizes := "not enforced"
	if p.SizesOnRequest {
		sizes = "enforced where one was asked for"
	} else if p.SizesEnforced {
		sizes = "enforced"
	}
	printFields(c.App.Writer, []field{{"name", p.Name}, {"driver", p.Driver}, {"state", p.State},
		{"default", yes(p.Default)}, {"source", p.Source}, {"path", p.Path}, {"size", bytesText(p.SizeBytes)},
		{"used", bytesText(p.UsedBytes)}, {"free", bytesText(p.FreeBytes)}, {"host free", bytesText(p.HostFreeBytes)},
		{"bookkeeping free", bytesText(p.MetadataFreeBytes)}, {"unallocated", bytesText(p.UnallocatedBytes)}, {"sizes", sizes},
		{"snapshots count", yes(p.SnapshotsCounted)}, {"containers", count(p.Containers)},
		{"snapshots", count(p.Snapshots)}, {"images", count(p.Images)}, {"created", when(p.CreatedAt)},
		{"device errors", fmt.Sprint(p.DeviceErrors)}, {"scrubbed", scrubbed(p)}, {"warnings", strings.Join(p.Warnings, "\n")}})
	return nil
}

// scrubbed says when a pool was last compared with its checksums, and with what result.
func scrubbed(p wire.Pool) string {
	switch {
	case p.Driver != "btrfs":
		return ""
	case p.ScrubbedAt.IsZero():
		return "never"
	}
	return fmt.Sprintf("%s, %d errors left", when(p.ScrubbedAt), p.ScrubErrors)
}

func createPool(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("pool create needs a name: lodge pool create fast --driver btrfs --size 50GiB")
	}
	args := inventory.PoolArgs{Name: c.Args().First(), Driver: c.String("driver"), Source: c.String("source"), Size: c.String("size")}
	return mutateEach(c, []string{args.Name}, is("is ready"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreatePool(ctx, args, o)
		})
}

func deletePools(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	if err := confirm(c, "remove pool "+strings.Join(names, ", ")); err != nil {
		return err
	}
	return mutateEach(c, names, is("is removed"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.DeletePool(ctx, name, o)
		})
}

func setDefaultPool(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("pool set-default needs the name of a pool")
	}
	return mutateEach(c, c.Args().Slice(), is("is where new containers come"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.SetDefaultPool(ctx, name, o)
		})
}

func scrubPool(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("has no errors"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.ScrubPool(ctx, name, o)
		})
}

// moveToPool takes containers to another pool, or removes what such a move has left.
func moveToPool(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	args := inventory.MoveArgs{Pool: c.String("pool"), DropSnapshots: c.Bool("drop-snapshots")}
	if c.Bool("tidy") {
		return mutateEach(c, names, is("has nothing left in pool "+args.Pool),
			func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
				return api.TidyMove(ctx, ref(c, name), args, o)
			})
	}
	if args.DropSnapshots {
		if err := confirm(c, "lose the snapshots of "+strings.Join(names, ", ")); err != nil {
			return err
		}
	}
	return mutateEach(c, names, is("is on pool "+args.Pool),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.Move(ctx, ref(c, name), args, o)
		})
}
