package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func createCommands() []*cli.Command {
	flags := func() []cli.Flag { return mutationFlags(createFlags()...) }
	return []*cli.Command{
		{Name: "launch", Category: "Containers", Usage: "create a container and start it",
			ArgsUsage: "IMAGE [NAME]",
			Flags:     flags(), Action: func(c *cli.Context) error { return create(c, true) }, BashComplete: completeImages},
		{Name: "create", Category: "Containers", Usage: "create a container without starting it",
			ArgsUsage: "IMAGE [NAME]",
			Flags:     flags(), Action: func(c *cli.Context) error { return create(c, false) }, BashComplete: completeImages},
		{Name: "clone", Category: "Containers", Usage: "make a container with the data of another",
			ArgsUsage:   "NAME NEW",
			Description: "The clone has an id, address, machine id and host keys of its own. The source may run.",
			Flags: mutationFlags(
				&cli.StringFlag{Name: "snapshot",
					Usage: "clone this `SNAPSHOT` instead of the present state"},
				&cli.StringFlag{Name: "purpose",
					Usage: "what the clone is for: `TEXT`; that of the source if not given"},
				&cli.StringFlag{Name: "owner", Usage: "`USER` who answers for it"},
				&cli.StringFlag{Name: "expires", Usage: "move it to the trash after `DURATION`: 30d, or at a time"}),
			Action: clone, BashComplete: completeContainers},
	}
}

func createFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "purpose", Usage: "what it is for, in a sentence: `TEXT` (required)"},
		&cli.StringFlag{Name: "owner", Usage: "`USER` who answers for it; you, if not given"},
		&cli.StringFlag{Name: "env", Usage: "`ENVIRONMENT`: prod, dr, staging, test or dev", Value: "dev"},
		&cli.StringFlag{Name: "class",
			Usage: "`CLASS` of its data: public, internal, confidential or restricted"},
		&cli.StringSliceFlag{Name: "label", Usage: "`KEY=VALUE`, may be repeated"},
		&cli.StringFlag{Name: "cpus", Usage: "`NUMBER` of CPUs: 0.5, 2"},
		&cli.StringFlag{Name: "memory", Usage: "`SIZE`: 512MiB"},
		&cli.StringFlag{Name: "disk", Usage: "`SIZE`: 5GiB"},
		&cli.StringFlag{Name: "pool", Usage: "`POOL` its root file system lives in; the default one if not given"},
		&cli.StringFlag{Name: "network", Usage: "`NAME` of the network"},
		&cli.StringFlag{Name: "ip", Usage: "IPv4 `ADDRESS` to hold; the next free one if not given"},
		&cli.StringSliceFlag{Name: "after",
			Usage: "`NAME` of a container that has to be up first, or NAME:port=5432; may be repeated"},
		&cli.StringSliceFlag{Name: "set", Usage: "any setting: `KEY=VALUE`, may be repeated"},
		&cli.StringFlag{Name: "user-data", Usage: "cloud-init user-data `FILE`"},
		&cli.StringSliceFlag{Name: "ssh-key", Usage: "public key `FILE` for root, may be repeated"},
		&cli.StringSliceFlag{Name: "volume", Usage: "volume it has: `NAME:/path[:ro]`, may be repeated"},
		&cli.BoolFlag{Name: "reuse-name", Usage: "although NAME lies in the trash; what lies there gets another"},
		&cli.StringFlag{Name: "expires", Usage: "move it to the trash after `DURATION`: 30d, or at a time"},
		&cli.StringFlag{Name: "run-for", Usage: "stop it after `DURATION`: 12h, or at a time"},
	}
}

func create(c *cli.Context, start bool) error {
	if n := c.NArg(); n < 1 || n > 2 {
		return usage("%s needs IMAGE (- for the project's own) and may have NAME, like: lodge %s debian/12 web1 --purpose \"shop front\"", c.Command.Name, c.Command.Name)
	}
	args, err := createArgs(c)
	if err != nil {
		return err
	}
	if c.Bool("reuse-name") && args.Name != "" {
		if planned, err := freeName(c, inventory.Ref{Project: args.Project, Name: args.Name}.String()); planned || err != nil {
			return err
		}
	}
	return mutateEach(c, []string{cmp.Or(args.Name, "a container")}, made(start),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Create(ctx, args, start, o)
		})
}

// made tells the name and the address of a new container; with --quiet the name alone, for
// scripts that left the choice of it to us.
func made(start bool) ending {
	return func(c *cli.Context, api *client.Client, op wire.Operation) string {
		if c.Bool("quiet") {
			return op.Name
		}
		line := op.Name + " is created"
		if start {
			line = op.Name + " runs"
		}
		w, err := api.Container(c.Context, inventory.Ref{Project: op.Project, Name: op.Name})
		if at := address(w, func(n wire.NIC) string { return n.IPv4 }); err == nil && at != "" {
			line += " at " + at
		}
		return line + though(op)
	}
}

func createArgs(c *cli.Context) (args inventory.CreateArgs, err error) {
	image := c.Args().Get(0)
	if image == "-" {
		image = "" // the project's
	}
	args = inventory.CreateArgs{Image: image, Name: c.Args().Get(1),
		Owner: c.String("owner"), Purpose: c.String("purpose"),
		Environment: c.String("env"), DataClass: c.String("class"), Network: c.String("network"), IP: c.String("ip"),
		After: c.StringSlice("after"), Pool: c.String("pool"), Expires: c.String("expires"), RunFor: c.String("run-for"), Project: project(c)}
	if strings.TrimSpace(args.Purpose) == "" && c.Command.Name != "import" { // an export may say it
		return args, usage("%s needs --purpose, what the container is for in a sentence: --purpose \"shop front\"", c.Command.Name)
	}
	if args.Name != "" {
		r := ref(c, args.Name)
		args.Name, args.Project = r.Name, r.Project
	}
	if args.Labels, err = pairs("--label", c.StringSlice("label")); err != nil {
		return args, err
	}
	if args.Settings, err = pairs("--set", c.StringSlice("set")); err != nil {
		return args, err
	}
	if args.Devices, err = volumeFlags(c.StringSlice("volume")); err != nil {
		return args, err
	}
	for _, size := range []string{"cpus", "memory", "disk"} {
		if c.IsSet(size) {
			args.Settings[size] = c.String(size)
		}
	}
	return args, readFiles(c, &args)
}

// readFiles fills in what is given as files.
func readFiles(c *cli.Context, args *inventory.CreateArgs) error {
	if file := c.String("user-data"); file != "" {
		raw, err := readSmall(file)
		if err != nil {
			return err
		}
		args.UserData = string(raw)
	}
	for _, file := range c.StringSlice("ssh-key") {
		raw, err := readSmall(file)
		if err != nil {
			return err
		}
		args.SSHKeys = append(args.SSHKeys, strings.TrimSpace(string(raw)))
	}
	return nil
}

// pairs reads KEY=VALUE arguments.
func pairs(what string, args []string) (map[string]string, error) {
	out := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, usage("%s takes KEY=VALUE, not %q", what, arg)
		}
		out[key] = value
	}
	return out, nil
}

// readSmall reads a file that has to fit a request.
func readSmall(file string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		file = filepath.Join(home, rest)
	}
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no file %s", file)
	case err != nil:
		return nil, err
	case len(raw) > 512<<10:
		return nil, usage("%s has %s; at most 512KiB can be sent", file, inventory.Bytes(len(raw)))
	}
	return raw, nil
}

func clone(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("clone needs the name of a container and a new name")
	}
	args := inventory.CloneArgs{Name: c.Args().Get(1), Snapshot: c.String("snapshot"),
		Purpose: c.String("purpose"), Owner: c.String("owner"), Expires: c.String("expires")}
	return mutateEach(c, []string{c.Args().Get(0)},
		says(args.Name+" is a clone of "+c.Args().Get(0)), func(ctx context.Context,
			api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.Clone(ctx, ref(c, name), args, o)
		})
}
