package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func imageCommands() []*cli.Command {
	alias := func() cli.Flag {
		return &cli.StringFlag{Name: "alias",
			Usage: "`NAME` to know it by: debian/12"}
	}
	expires := func() cli.Flag {
		return &cli.StringFlag{Name: "expires",
			Usage: "delete it after `DURATION`"}
	}
	return []*cli.Command{{Name: "image", Category: "Images",
		Usage: "root file systems to make containers from", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list images: those here, or with REMOTE: what a remote offers",
				ArgsUsage: "[PREFIX | REMOTE:[PREFIX]]", Action: listImages},
			{Name: "show", Usage: "everything about one", ArgsUsage: "IMAGE", Action: showImage,
				BashComplete: completeImages},
			{Name: "build", Usage: "build one out of a distribution's signed archive", ArgsUsage: "RECIPE",
				Description: "Recipes: debian/12, debian/13, and untested so far ubuntu/22.04, ubuntu/24.04. No command of\n" +
					"the build runs as the host's root.",
				Flags: mutationFlags(alias(), expires(),
					&cli.StringFlag{Name: "mirror", Usage: "`ADDRESS` of the archive; the host's own if not given"}),
				Action: buildImage},
			{Name: "import", Usage: "make one from an archive: a tar or squashfs of a root file system, or an image of Incus or LXD",
				ArgsUsage: "FILE|- | METADATA FILES", Flags: mutationFlags(alias(), expires()), Action: importImage},
			{Name: "export", Usage: "write one to a file that Incus takes too", ArgsUsage: "IMAGE FILE|-",
				Flags: []cli.Flag{&cli.StringFlag{Name: "compression",
					Usage: "`HOW`: zstd, xz, gzip or none; told by the file's name if not given"}},
				Action: exportImage, BashComplete: completeImages},
			{Name: "publish", Usage: "make one of a stopped container or a snapshot, without what makes it one of a kind",
				ArgsUsage: "NAME[/SNAP] [ALIAS]", Flags: mutationFlags(expires(), &cli.BoolFlag{Name: "force",
					Usage: "although the linter objects"}), Action: publishImage, BashComplete: completeContainers},
			{Name: "pull", Usage: "get one from a remote", ArgsUsage: "REMOTE:IMAGE", Flags: mutationFlags(alias(), expires()),
				Action: pullImage},
			{Name: "outdated", Usage: "containers whose image's name means another one now, and old images",
				Flags: []cli.Flag{&cli.StringFlag{Name: "age", Usage: "also images older than `DURATION`"}}, Action: outdatedImages},
			remoteCommand(),
			{Name: "delete", Aliases: []string{"rm"},
				Usage: "remove images; containers made from them lose nothing", ArgsUsage: "IMAGE...",
				Flags: mutationFlags(), Action: deleteImages, BashComplete: completeImages},
			{Name: "alias", Usage: "give an image another name", ArgsUsage: "IMAGE NAME",
				Flags: mutationFlags(), Action: aliasImage, BashComplete: completeImages},
		}}}
}

func listImages(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("image list takes one PREFIX, or REMOTE: or REMOTE:PREFIX")
	}
	prefix := c.Args().First()
	if remote, prefix, ok := strings.Cut(prefix, ":"); ok && remote != "sha256" {
		return browse(c, remote, prefix)
	}
	all, err := read(c, func(api *client.Client) ([]wire.Image, error) { return api.Images(c.Context) })
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(i wire.Image) bool {
		return !slices.ContainsFunc(append(i.Aliases, i.Digest), func(name string) bool { return strings.HasPrefix(name, prefix) })
	})
	return printList(c, all, []column[wire.Image]{
		{"alias", false, func(i wire.Image) string { return strings.Join(i.Aliases, " ") }},
		{"digest", false, func(i wire.Image) string { return i.Digest[:min(len(i.Digest), 19)] }},
		{"os", false, func(i wire.Image) string { return i.OS + " " + i.Release }},
		{"arch", true, func(i wire.Image) string { return i.Architecture }},
		{"size", false, func(i wire.Image) string { return bytesText(i.SizeBytes) }},
		{"packages", false, func(i wire.Image) string { return count(i.PackageCount) }},
		{"created", false, func(i wire.Image) string { return when(i.CreatedAt) }},
		{"expires", true, func(i wire.Image) string { return when(i.ExpiresAt) }},
		{"source", true, func(i wire.Image) string { return i.Source }},
	})
}

func showImage(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("image show needs the alias or digest of an image")
	}
	i, err := read(c, func(api *client.Client) (wire.Image,
		error) {
		return api.Image(c.Context, c.Args().First())
	})
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, i)
	}
	printFields(c.App.Writer, []field{{"aliases", strings.Join(i.Aliases, " ")},
		{"digest", i.Digest}, {"os", i.OS + " " + i.Release},
		{"architecture", i.Architecture}, {"size", bytesText(i.SizeBytes)}, {"packages",
			count(i.PackageCount)},
		{"source", i.Source}, {"created", when(i.CreatedAt)}, {"expires", when(i.ExpiresAt)},
		{"init", initText(i)}, {"cloud-init", yes(i.CloudInit)}})
	printFields(c.App.Writer, recordFields(i.Build))
	return nil
}

func buildImage(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("image build needs a recipe, like: lodge image build debian/12")
	}
	args := inventory.BuildArgs{Recipe: c.Args().First(), Alias: c.String("alias"),
		Mirror: c.String("mirror"), Expires: c.String("expires")}
	return mutateEach(c, []string{args.Recipe}, is("is built"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.BuildImage(ctx, args, o)
		})
}

func importImage(c *cli.Context) error {
	names := c.Args().Slice()
	if len(names) < 1 || len(names) > 2 {
		return usage("image import needs FILE, or - for standard input, or the two files of an image of Incus, metadata first")
	}
	args := inventory.ImportArgs{Alias: c.String("alias"), Source: filepath.Base(names[len(names)-1]),
		Expires: c.String("expires")}
	if args.Alias == "" {
		return usage("image import needs --alias, the name to know the image by")
	}
	a, err := openArchive(c, names)
	if err != nil {
		return err
	}
	defer a.Close()
	args.MetadataBytes = a.metadata
	return mutateEach(c, []string{args.Alias}, is("is imported"), sendImage(c, a, args))
}

func deleteImages(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	if err := confirm(c, "remove "+strings.Join(names, ", ")); err != nil {
		return err
	}
	return mutateEach(c, names, removed, func(ctx context.Context, api *client.Client,
		name string, o client.Options) (client.Answer, error) {
		return api.DeleteImage(ctx, name, o)
	})
}

// removed says what went: a name, or the image with all its names.
func removed(_ *cli.Context, _ *client.Client, op wire.Operation) string {
	var r struct {
		Alias string   `json:"alias"`
		Names []string `json:"names"`
	}
	if json.Unmarshal(op.Result, &r) != nil || r.Alias == "" || len(r.Names) == 0 {
		return op.Name + " is removed"
	}
	return r.Alias + " is removed; the image stays as " + strings.Join(r.Names, ", ")
}

func aliasImage(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("image alias needs IMAGE and NAME")
	}
	args := inventory.ImageArgs{Image: c.Args().Get(0), Alias: c.Args().Get(1)}
	return mutateEach(c, []string{args.Alias}, is("names the image now"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.AliasImage(ctx, args, o)
		})
}
