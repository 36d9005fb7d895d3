package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
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
	reason := func() cli.Flag {
		return &cli.StringFlag{Name: "reason", Usage: "why, kept in the audit journal: `TEXT`"}
	}
	return []*cli.Command{
		{Name: "file", Category: "Access", Usage: "files of running and stopped containers", Subcommands: []*cli.Command{
			{Name: "push", Usage: "copy files in", ArgsUsage: "FILE... NAME/PATH", Action: push, Flags: []cli.Flag{reason(),
				&cli.StringFlag{Name: "mode", Usage: "permission bits, `OCTAL`; those of the file if not given"},
				&cli.IntFlag{Name: "uid", Usage: "owner inside the container"}, &cli.IntFlag{Name: "gid", Usage: "group inside the container"},
				&cli.BoolFlag{Name: "p", Usage: "make missing folders"}, &cli.BoolFlag{Name: "r", Usage: "folders too"}}},
			{Name: "pull", Usage: "copy files out", ArgsUsage: "NAME/PATH... TARGET|-", Action: pull, Flags: []cli.Flag{reason(), &cli.BoolFlag{Name: "r", Usage: "folders too"}}},
			{Name: "list", Aliases: []string{"ls"}, Usage: "what is in a folder", ArgsUsage: "NAME/PATH", Action: listFiles},
			{Name: "edit", Usage: "edit a file with $EDITOR", ArgsUsage: "NAME/PATH", Flags: []cli.Flag{reason()}, Action: editFile},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove files or empty folders", ArgsUsage: "NAME/PATH...", Flags: []cli.Flag{reason()}, Action: deleteFiles},
		}},
	}
}

// A place is a path in a container: NAME/PATH, and PROJECT is the global flag's.
func place(c *cli.Context, arg string) (inventory.Ref, string, error) {
	name, rest, ok := strings.Cut(arg, "/")
	if !ok || name == "" {
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
		return api.WriteFile(c.Context, target, fileArgs(c, to, 0o644), c.App.Reader, client.Options{Reason: c.String("reason")})
	}
	st, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return inventory.Errorf(inventory.ErrNotFound, "there is no file %s", file)
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		return pushFolder(c, api, target, file, to)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return api.WriteFile(c.Context, target, fileArgs(c, to, st.Mode().Perm()), f, client.Options{Reason: c.String("reason")})
}

func fileArgs(c *cli.Context, to string, mode os.FileMode) inventory.FileArgs {
	args := inventory.FileArgs{Path: to, Mode: fmt.Sprintf("%#o", mode), Parents: c.Bool("p") || c.Bool("r")}
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
	if err := api.MakeFolder(c.Context, target, args, client.Options{}); err != nil && !errors.Is(err, inventory.ErrExists) {
		return err
	}
	for _, e := range entries {
		if err := pushOne(c, api, target, filepath.Join(dir, e.Name()), path.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func pull(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 2 {
		return usage("file pull needs NAME/PATH and TARGET, like: lodge file pull web1/etc/hosts .")
	}
	to := args[len(args)-1]
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	for _, arg := range args[:len(args)-1] {
		from, p, err := place(c, arg)
		if err != nil {
			return err
		}
		target := to
		if st, err := os.Stat(to); err == nil && st.IsDir() {
			target = filepath.Join(to, path.Base(p))
		}
		if err := pullOne(c, api, from, p, target); err != nil {
			return err
		}
	}
	return nil
}

// pullOne copies one file, or with -r a folder and all below it. Links and special files in a
// folder are left out: what a container's link means is for the container.
func pullOne(c *cli.Context, api *client.Client, from inventory.Ref, p, to string) error {
	if c.Bool("r") {
		entries, err := api.ListFiles(c.Context, from, p)
		if err != nil {
			return err
		}
		if isFolder(entries, p) {
			return pullFolder(c, api, from, p, to, entries)
		}
	}
	info, body, err := api.ReadFile(c.Context, from, p)
	if err != nil {
		return err
	}
	defer body.Close()
	if to == "-" {
		_, err := io.Copy(c.App.Writer, body)
		return err
	}
	mode, _ := strconv.ParseUint(info.Mode, 8, 32)
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, os.FileMode(mode)&0o777)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// isFolder tells the listing of a folder from that of one file, which is the file itself.
func isFolder(entries []wire.FileInfo, p string) bool {
	return !(len(entries) == 1 && entries[0].Name == path.Base(p) && entries[0].Type == "file")
}

func pullFolder(c *cli.Context, api *client.Client, from inventory.Ref, p, to string, entries []wire.FileInfo) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type != "file" && e.Type != "directory" || e.Name == "" || strings.ContainsAny(e.Name, "/\\") || e.Name == ".." {
			continue
		}
		if err := pullOne(c, api, from, path.Join(p, e.Name), filepath.Join(to, e.Name)); err != nil {
			return err
		}
	}
	return nil
}

func listFiles(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("file list needs NAME/PATH")
	}
	from, p, err := place(c, c.Args().First())
	if err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	entries, err := api.ListFiles(c.Context, from, p)
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
			err = api.DeleteFile(c.Context, from, p, client.Options{Reason: c.String("reason")})
		}
		results[i] = err
	}
	return firstOf(c, names, results)
}

// editFile edits a copy and writes it back if it changed; owner and mode stay.
func editFile(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("file edit needs NAME/PATH")
	}
	from, p, err := place(c, c.Args().First())
	if err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	info, body, err := api.ReadFile(c.Context, from, p)
	if err != nil {
		return err
	}
	old, err := io.ReadAll(io.LimitReader(body, 16<<20))
	body.Close()
	if err != nil {
		return err
	}
	edited, err := edit(old, path.Ext(p))
	if err != nil || bytes.Equal(old, edited) {
		return err
	}
	args := inventory.FileArgs{Path: p, Mode: info.Mode, UID: &info.UID, GID: &info.GID}
	return api.WriteFile(c.Context, from, args, bytes.NewReader(edited), client.Options{Reason: c.String("reason")})
}

// edit lets the person change text in their editor.
func edit(text []byte, extension string) ([]byte, error) {
	f, err := os.CreateTemp("", "lodge-*"+extension)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	editor := "vi"
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if v := os.Getenv(name); v != "" {
			editor = v
			break
		}
	}
	words := append(strings.Fields(editor), f.Name())
	cmd := osexec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the editor %q ended badly, nothing was changed: %v", editor, err)
	}
	return os.ReadFile(f.Name())
}

func consoleLog(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	log, err := api.ConsoleLog(c.Context, ref(c, c.Args().First()))
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = io.Copy(c.App.Writer, log)
	return err
}
