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

func volumeCommands() []*cli.Command {
	readOnly := &cli.BoolFlag{Name: "read-only", Usage: "let the container read only"}
	return []*cli.Command{{Name: "volume", Category: "Volumes", Usage: "trees of files that outlive containers",
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "make one", ArgsUsage: "VOLUME", Action: createVolume, Flags: mutationFlags(
				&cli.StringFlag{Name: "size", Usage: "the most it may hold: `SIZE` (required)"},
				&cli.StringFlag{Name: "purpose", Usage: "what it is for: `TEXT`"},
				&cli.StringFlag{Name: "pool", Usage: "`POOL` it lies in; the default one, if not given"},
				&cli.StringFlag{Name: "owner", Usage: "`USER` who answers for it; you, if not given"},
				&cli.BoolFlag{Name: "shared", Usage: "let more than one container write to it at once"},
				&cli.BoolFlag{Name: "no-backup", Usage: "leave it out of backups"})},
			{Name: "list", Aliases: []string{"ls"}, Usage: "list volumes", Action: listVolumes},
			{Name: "show", Usage: "everything about one, who has had it among it", ArgsUsage: "VOLUME", Action: showVolume,
				BashComplete: completeVolumes},
			{Name: "attach", Usage: "attach one to a container, at once if it runs", ArgsUsage: "VOLUME NAME[:/path]",
				Description: "The path is /mnt/VOLUME if it is not given.", Flags: mutationFlags(readOnly), Action: attachVolume,
				BashComplete: completeVolumes},
			{Name: "detach", Usage: "detach one from a container, at once if it runs", ArgsUsage: "VOLUME [NAME]",
				Description: "NAME may be left out when one container has it.", Flags: mutationFlags(), Action: detachVolume,
				BashComplete: completeVolumes},
			{Name: "move", Usage: "detach one and attach it to another container, in one operation",
				ArgsUsage: "VOLUME NAME[:/path]", Flags: mutationFlags(), Action: moveVolume, BashComplete: completeVolumes},
			{Name: "resize", Usage: "change what one may hold", ArgsUsage: "VOLUME SIZE", Flags: mutationFlags(),
				Action: resizeVolume, BashComplete: completeVolumes},
			{Name: "set", Usage: "change what is said of one", ArgsUsage: "VOLUME", Action: setVolume,
				BashComplete: completeVolumes, Flags: mutationFlags(
					&cli.StringFlag{Name: "purpose", Usage: "what it is for: `TEXT`"},
					&cli.StringFlag{Name: "owner", Usage: "`USER` who answers for it"},
					&cli.StringFlag{Name: "shared", Usage: "`yes` lets more than one container write to it at once, no doesn't"},
					&cli.StringFlag{Name: "backup", Usage: "`yes` has backups hold it, no leaves it out"})},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove volumes and their data for good", ArgsUsage: "VOLUME...",
				Flags: mutationFlags(), Action: deleteVolumes, BashComplete: completeVolumes},
			volumeSnapshotCommand(),
		}}}
}

func completeVolumes(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Volumes(ctx, project(c))
		for _, v := range all {
			names = append(names, v.Name)
		}
		return names, err
	})
}

func createVolume(c *cli.Context) error {
	if c.NArg() != 1 || c.String("size") == "" {
		return usage("volume create needs VOLUME and --size, like: lodge volume create data --size 10GiB")
	}
	r, backup := ref(c, c.Args().First()), !c.Bool("no-backup")
	args := inventory.VolumeArgs{Name: r.Name, Project: r.Project, Size: c.String("size"), Owner: c.String("owner"),
		Purpose: c.String("purpose"), Shared: c.Bool("shared"), Pool: c.String("pool"), Backup: &backup}
	return mutateEach(c, []string{args.Name}, is("is made"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreateVolume(ctx, args, o)
		})
}

func listVolumes(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Volume, error) {
		return api.Volumes(c.Context, c.String("project"))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Volume]{
		{"name", false, func(v wire.Volume) string { return inventory.Ref{Project: v.Project, Name: v.Name}.String() }},
		{"size", false, func(v wire.Volume) string { return inventory.Bytes(v.SizeBytes).String() }},
		{"used", false, func(v wire.Volume) string { return inventory.Bytes(v.UsedBytes).String() }},
		{"attached", false, func(v wire.Volume) string { return attachments(v.Attached) }},
		{"shared", false, func(v wire.Volume) string { return yes(v.Shared) }},
		{"backup", true, func(v wire.Volume) string { return yes(v.Backup) }},
		{"pool", true, func(v wire.Volume) string { return v.Pool }},
		{"owner", true, func(v wire.Volume) string { return v.Owner }},
		{"purpose", true, func(v wire.Volume) string { return v.Purpose }},
	})
}

func attachments(all []wire.Attachment) string {
	var words []string
	for _, a := range all {
		word := inventory.Ref{Project: a.Project, Name: a.Name}.String() + ":" + a.Path
		if a.ReadOnly {
			word += ":ro"
		}
		if a.Trashed {
			word += " (trash)"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func showVolume(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("volume show needs the name of a volume")
	}
	v, err := read(c, func(api *client.Client) (wire.Volume, error) {
		return api.Volume(c.Context, ref(c, c.Args().First()))
	})
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, v)
	}
	fields := []field{{"name", v.Name}, {"project", v.Project}, {"id", string(v.ID)}, {"pool", v.Pool}, {"owner", v.Owner},
		{"purpose", v.Purpose}, {"size", inventory.Bytes(v.SizeBytes).String()}, {"used", inventory.Bytes(v.UsedBytes).String()},
		{"backup", yes(v.Backup)}, {"shared", yes(v.Shared)}, {"created", when(v.CreatedAt)},
		{"attached", attachments(v.Attached)}}
	for _, a := range v.History {
		if !a.To.IsZero() {
			fields = append(fields, field{"before", fmt.Sprintf("%s from %s to %s", attachments([]wire.Attachment{a}),
				when(a.From), when(a.To))})
		}
	}
	printFields(c.App.Writer, fields)
	return nil
}

// nameAndPath reads "NAME" or "NAME:/path".
func nameAndPath(text string) (name, path string) {
	name, path, _ = strings.Cut(text, ":")
	return name, path
}

func attachVolume(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("volume attach needs VOLUME and NAME, like: lodge volume attach data web1:/srv")
	}
	name, path := nameAndPath(c.Args().Get(1))
	args := inventory.AttachArgs{Volume: c.Args().First(), Path: path, ReadOnly: c.Bool("read-only")}
	return mutateEach(c, []string{name}, is("has volume "+args.Volume),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.Attach(ctx, ref(c, name), args, o)
		})
}

// holderOf is the container that has the volume: the one that is named, or the only one.
func holderOf(c *cli.Context, volume, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	v, err := read(c, func(api *client.Client) (wire.Volume, error) { return api.Volume(c.Context, ref(c, volume)) })
	switch {
	case err != nil:
		return "", err
	case len(v.Attached) == 0:
		return "", inventory.Errorf(inventory.ErrState, "volume %s is attached to no container", volume)
	case len(v.Attached) > 1:
		return "", usage("volume %s is attached to %s; name one of them", volume, attachments(v.Attached))
	}
	return v.Attached[0].Project + "/" + v.Attached[0].Name, nil
}

func detachVolume(c *cli.Context) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usage("volume detach needs VOLUME and may have NAME")
	}
	volume := c.Args().First()
	name, err := holderOf(c, volume, c.Args().Get(1))
	if err != nil {
		return err
	}
	return mutateEach(c, []string{name}, is("has volume "+volume+" no more"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.Detach(ctx, ref(c, name), volume, o)
		})
}

func moveVolume(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("volume move needs VOLUME and NAME, like: lodge volume move data web2")
	}
	volume := c.Args().First()
	from, err := holderOf(c, volume, "")
	if err != nil {
		return err
	}
	to, path := nameAndPath(c.Args().Get(1))
	return mutateEach(c, []string{from}, says(to+" has volume "+volume),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.MoveVolume(ctx, ref(c, name), inventory.AttachArgs{Volume: volume, To: to, Path: path}, o)
		})
}

func resizeVolume(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("volume resize needs VOLUME and SIZE, like: lodge volume resize data 20GiB")
	}
	size := c.Args().Get(1)
	return mutateEach(c, []string{c.Args().First()}, is("has a size of "+size),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.ResizeVolume(ctx, ref(c, name), size, o)
		})
}

func setVolume(c *cli.Context) error {
	if c.NArg() != 1 || c.NumFlags() == 0 {
		return usage("volume set needs VOLUME and what to change, like: lodge volume set data --shared yes")
	}
	var args inventory.VolumeUpdateArgs
	var err error
	if args.Shared, err = yesFlag(c, "shared"); err != nil {
		return err
	}
	if args.Backup, err = yesFlag(c, "backup"); err != nil {
		return err
	}
	for name, field := range map[string]**string{"purpose": &args.Purpose, "owner": &args.Owner} {
		if value := c.String(name); c.IsSet(name) {
			*field = &value
		}
	}
	return mutateEach(c, []string{c.Args().First()}, is("is changed"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.UpdateVolume(ctx, ref(c, name), args, o)
		})
}

// yesFlag reads a flag that is yes or no; nil when it is not given.
func yesFlag(c *cli.Context, name string) (*bool, error) {
	if !c.IsSet(name) {
		return nil, nil
	}
	value := c.String(name) == "yes" || c.String(name) == "true"
	if !value && c.String(name) != "no" && c.String(name) != "false" {
		return nil, usage("--%s is yes or no, not %q", name, c.String(name))
	}
	return &value, nil
}

func deleteVolumes(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	if err := confirm(c, "remove volume "+strings.Join(names, ", ")+" with all data for good"); err != nil {
		return err
	}
	return mutateEach(c, names, is("is gone"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.DeleteVolume(ctx, ref(c, name), o)
		})
}
