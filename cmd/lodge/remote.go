package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func remoteCommand() *cli.Command {
	return &cli.Command{Name: "remote", Usage: "servers that images are pulled from", Subcommands: []*cli.Command{
		{Name: "list", Aliases: []string{"ls"}, Usage: "list them", Action: listRemotes},
		{Name: "add", Usage: "name one", ArgsUsage: "NAME URL", Description: "The server has streams/v1/index.json " +
			"below URL (simplestreams). With a key its indexes have to be\nsigned (.sjson); without, its certificate is all there is to trust.",
			Flags:  mutationFlags(&cli.StringFlag{Name: "key", Usage: "`FILE` with the armored OpenPGP key of who signs its indexes"}),
			Action: addRemote},
		{Name: "remove", Aliases: []string{"rm"}, Usage: "forget some; images that came from them stay", ArgsUsage: "NAME...",
			Flags: mutationFlags(), Action: removeRemotes},
	}}
}

func listRemotes(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Remote, error) { return api.Remotes(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Remote]{
		{"name", false, func(r wire.Remote) string { return r.Name }},
		{"url", false, func(r wire.Remote) string { return r.URL }},
		{"signed", false, func(r wire.Remote) string { return yes(r.Signed) }},
		{"created", true, func(r wire.Remote) string { return when(r.CreatedAt) }},
	})
}

func addRemote(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("image remote add needs NAME and URL")
	}
	args := inventory.RemoteArgs{Name: c.Args().Get(0), URL: c.Args().Get(1)}
	if file := c.String("key"); file != "" {
		raw, err := readSmall(file)
		if err != nil {
			return err
		}
		args.Key = string(raw)
	}
	return mutateEach(c, []string{args.Name}, is("is a remote now"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.AddRemote(ctx, args, o)
		})
}

func removeRemotes(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is forgotten"), func(ctx context.Context, api *client.Client, name string,
		o client.Options) (client.Answer, error) {
		return api.RemoveRemote(ctx, name, o)
	})
}

// browse lists what a remote offers.
func browse(c *cli.Context, remote, prefix string) error {
	all, err := read(c, func(api *client.Client) ([]inventory.RemoteImage, error) {
		return api.RemoteImages(c.Context, remote)
	})
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(i inventory.RemoteImage) bool {
		return !slices.ContainsFunc(append(i.Aliases, i.Image), func(name string) bool { return strings.HasPrefix(name, prefix) })
	})
	return printList(c, all, []column[inventory.RemoteImage]{
		{"image", false, func(i inventory.RemoteImage) string { return remote + ":" + i.Image }},
		{"aliases", true, func(i inventory.RemoteImage) string { return strings.Join(i.Aliases, " ") }},
		{"version", false, func(i inventory.RemoteImage) string { return i.Version }},
		{"size", false, func(i inventory.RemoteImage) string { return bytesText(int64(i.Size)) }},
		{"product", true, func(i inventory.RemoteImage) string { return i.Product }},
	})
}

func pullImage(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("image pull needs REMOTE:IMAGE, like: lodge image pull corp:debian/12")
	}
	from, image, err := inventory.SplitRemote(c.Args().First())
	if err != nil {
		return err
	}
	args := inventory.PullArgs{Remote: from, Image: image, Alias: c.String("alias"), Expires: c.String("expires")}
	return mutateEach(c, []string{c.Args().First()}, imageMade,
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.PullImage(ctx, args, o)
		})
}

func publishImage(c *cli.Context) error {
	if n := c.NArg(); n < 1 || n > 2 {
		return usage("image publish needs NAME or NAME/SNAP, and may have ALIAS")
	}
	name, snapshot, _ := strings.Cut(c.Args().First(), "/")
	args := inventory.PublishArgs{Snapshot: snapshot, Alias: c.Args().Get(1), Expires: c.String("expires"), Force: c.Bool("force")}
	return mutateEach(c, []string{name}, imageMade,
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.PublishImage(ctx, inventory.Ref{Project: project(c), Name: name}, args, o)
		})
}

// imageMade ends with the name and digest of a new image.
func imageMade(_ *cli.Context, _ *client.Client, op wire.Operation) string {
	var made struct{ Alias, Digest string }
	if json.Unmarshal(op.Result, &made) != nil || made.Alias == "" {
		return op.Name + " is an image now"
	}
	return fmt.Sprintf("%s is an image now (%.19s)", made.Alias, made.Digest)
}

func outdatedImages(c *cli.Context) error {
	if _, err := duration(c, "age"); err != nil {
		return err
	}
	all, err := read(c, func(api *client.Client) ([]inventory.OutdatedImage, error) {
		return api.OutdatedImages(c.Context, c.String("age"))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[inventory.OutdatedImage]{
		{"container", false, func(o inventory.OutdatedImage) string { return o.Container }},
		{"image", false, func(o inventory.OutdatedImage) string { return o.Image[:min(len(o.Image), 40)] }},
		{"has", false, func(o inventory.OutdatedImage) string { return o.Digest[:min(len(o.Digest), 19)] }},
		{"now", false, func(o inventory.OutdatedImage) string { return o.Current[:min(len(o.Current), 19)] }},
		{"created", false, func(o inventory.OutdatedImage) string { return when(o.CreatedAt) }},
		{"why", false, func(o inventory.OutdatedImage) string { return o.Why }},
	})
}

// initText is what starts in a container of the image: "systemd 252".
func initText(i wire.Image) string {
	if i.InitVersion > 0 {
		return fmt.Sprintf("%s %d", i.Init, i.InitVersion)
	}
	return i.Init
}

// recordFields are the lines of an image's build record that are short: nested ones as JSON paths.
func recordFields(build json.RawMessage) []field {
	var record map[string]any
	if json.Unmarshal(build, &record) != nil {
		return nil
	}
	var out []field
	var add func(prefix string, v any)
	add = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				add(prefix+"."+key, inner)
			}
		case []any:
			for n, inner := range v {
				add(fmt.Sprintf("%s.%d", prefix, n), inner)
			}
		case nil:
		default:
			out = append(out, field{strings.TrimPrefix(prefix, "."), fmt.Sprint(v)})
		}
	}
	add("", record)
	out = slices.DeleteFunc(out, func(f field) bool {
		return f.name == "init" || f.name == "init_version" || strings.HasPrefix(f.name, "container.left_out.") && strings.HasSuffix(f.name, ".why")
	})
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out
}
