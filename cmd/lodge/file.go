package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func fileCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "file", Category: "Access", Usage: "files of running and stopped containers",
			Subcommands: []*cli.Command{
				{Name: "push", Usage: "copy files in", ArgsUsage: "FILE... NAME/PATH", Action: push,
					Flags: whyFlags(
						&cli.StringFlag{Name: "mode",
							Usage: "permission bits, `OCTAL`; those of the file if not given"},
						&cli.IntFlag{Name: "uid",
							Usage: "owner inside the container"}, &cli.IntFlag{Name: "gid", Usage: "group inside the container"},
						&cli.BoolFlag{Name: "p", Usage: "make missing folders"}, &cli.BoolFlag{Name: "r", Usage: "folders too"})},
				{Name: "pull", Usage: "copy files out", ArgsUsage: "NAME/PATH... TARGET|-",
					Action: pull, Flags: whyFlags(&cli.BoolFlag{Name: "r", Usage: "folders too"})},
				{Name: "list", Aliases: []string{"ls"}, Usage: "what is in a folder",
					ArgsUsage: "NAME/PATH", Action: listFiles},
				{Name: "edit", Usage: "edit a file with $EDITOR", ArgsUsage: "NAME/PATH",
					Flags: whyFlags(), Action: editFile},
				{Name: "delete", Aliases: []string{"rm"}, Usage: "remove files or empty folders",
					ArgsUsage: "NAME/PATH...", Flags: whyFlags(), Action: deleteFiles},
			}},
	}
}

// whyFlags are those of commands that are kept in the journal and are no operations.
func whyFlags(more ...cli.Flag) []cli.Flag {
	return append(more, breakGlassFlag(), &cli.StringFlag{Name: "reason", Usage: "why, kept in the audit journal: `TEXT`"},
		&cli.StringFlag{Name: "ticket", Usage: "the ticket it belongs to: `ID`"})
}

func why(c *cli.Context) client.Options {
	return client.Options{Reason: c.String("reason"), Ticket: c.String("ticket")}
}

// openFile opens a file of the caller's.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no file %s", name)
	case errors.Is(err, fs.ErrPermission):
		return nil, inventory.Errorf(inventory.ErrDenied, "you may not read %s", name)
	}
	return f, err
}

// A place is a path in a container: NAME/PATH, and PROJECT is the global flag's.
func place(c *cli.Context, arg string) (inventory.Ref, string, error) {
	name, rest, ok := strings.Cut(arg, "/")
	if !ok || name == "" || strings.HasSuffix(name, ":") {
		return inventory.Ref{}, "", usage("%q is no place in a container; write it like web1/etc/hosts", arg)
	}
	return ref(c, name), "/" + rest, nil
}

func push(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 2 {
		return usage("file push needs FILE and NAME/PATH, like: lodge file push site.conf web1/etc/nginx/")
	}
	target, dir, err := place(c, args[len(args)-1])
	if err != nil {
		return err
	}
	files := args[:len(args)-1]
	into := strings.HasSuffix(dir, "/") || len(files) > 1
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	for _, file := range files {
		to := dir
		if into {
			to = path.Join(dir, filepath.Base(file))
		}
		if err := pushOne(c, api, target, file, to); err != nil {
			return err
		}
	}
	return nil
}

func pushOne(c *cli.Context, api *client.Client, target inventory.Ref, file, to string) error {
	if file == "-" {
		return api.WriteFile(c.Context, target, fileArgs(c, to, 0o644), c.App.Reader, why(c))
	}
	f, err := openFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		return pushFolder(c, api, target, file, to)
	}
	return api.WriteFile(c.Context, target, fileArgs(c, to, st.Mode().Perm()), f, why(c))
}

func fileArgs(c *cli.Context, to string, mode os.FileMode) inventory.FileArgs {
	args := inventory.FileArgs{Path: to, Mode: fmt.Sprintf("%#o", mode),
		Parents: c.Bool("p") || c.Bool("r")}
	if c.IsSet("mode") {
		args.Mode = c.String("mode")
	}
	for name, field := range map[string]**int{"uid": &args.UID, "gid": &args.GID} {
		if c.IsSet(name) {
			n := c.Int(name)
			*field = &n
		}
	}
	return args
}

func pushFolder(c *cli.Context, api *client.Client, target inventory.Ref, dir, to string) error {
	if !c.Bool("r") {
		return usage("%s is a folder; add -r to copy it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	args := fileArgs(c, to, 0o755)
	args.Directory = true
	if err := api.MakeFolder(c.Context, target, args, why(c)); err != nil && !errors.Is(err,
		inventory.ErrExists) {
		return err
	}
	for _, e := range entries {
		if err := pushOne(c, api, target, filepath.Join(dir, e.Name()),
			path.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func deleteFiles(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	results := make([]error, len(names))
	for i, name := range names {
		from, p, err := place(c, name)
		if err == nil {
			err = api.DeleteFile(c.Context, from, p, why(c))
		}
		results[i] = err
	}
	return firstOf(c, names, results)
}

func listFiles(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("file list needs NAME/PATH")
	}
	from, p, err := place(c, c.Args().First())
	if err != nil {
		return err
	}
	entries, err := read(c, func(api *client.Client) ([]wire.FileInfo,
		error) {
		return api.ListFiles(c.Context, from, p)
	})
	if err != nil {
		return err
	}
	return printList(c, entries, []column[wire.FileInfo]{
		{"name", false, fileName},
		{"type", false, func(f wire.FileInfo) string { return f.Type }},
		{"mode", false, func(f wire.FileInfo) string { return f.Mode }},
		{"uid", false, func(f wire.FileInfo) string { return strconv.Itoa(f.UID) }},
		{"gid", false, func(f wire.FileInfo) string { return strconv.Itoa(f.GID) }},
		{"size", false, func(f wire.FileInfo) string { return strconv.FormatInt(f.Size, 10) }},
		{"modified", false, func(f wire.FileInfo) string { return when(f.ModTime) }},
	})
}

func fileName(f wire.FileInfo) string {
	if f.Target != "" {
		return f.Name + " -> " + f.Target
	}
	return f.Name
}
