package main

import (
	"errors"
	"io"
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

func pullFolder(c *cli.Context, api *client.Client, from inventory.Ref, p, to string,
	entries []wire.FileInfo) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type != "file" && e.Type != "directory" || e.Name == "" || strings.ContainsAny(e.Name,
			"/\\") || e.Name == ".." {
			continue
		}
		if err := pullOne(c, api, from, path.Join(p, e.Name), filepath.Join(to, e.Name)); err != nil {
			return err
		}
	}
	return nil
}
