package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

// An archive is the one or two files of an image, joined: Incus has metadata and files apart.
type archive struct {
	io.Reader
	files    []*os.File
	metadata int64 // bytes of the first of two
}

func openArchive(c *cli.Context, names []string) (*archive, error) {
	if len(names) == 1 && names[0] == "-" {
		return &archive{Reader: c.App.Reader}, nil
	}
	a := &archive{}
	var parts []io.Reader
	for i, name := range names {
		f, err := openFile(name)
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		a.files, parts = append(a.files, f), append(parts, f)
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		if i == 0 && len(names) == 2 {
			a.metadata = info.Size()
		}
	}
	a.Reader = io.MultiReader(parts...)
	return a, nil
}

// Close closes the files.
func (a *archive) Close() error {
	var failed error
	for _, f := range a.files {
		failed = errors.Join(failed, f.Close())
	}
	return failed
}

func exportImage(c *cli.Context) (err error) {
	if c.NArg() != 2 {
		return usage("image export needs IMAGE and FILE, or - for standard output")
	}
	name, to := c.Args().Get(0), c.Args().Get(1)
	packing := inventory.PackingOf(to)
	if c.IsSet("compression") {
		packing = inventory.Packing(c.String("compression"))
	}
	if err := inventory.CheckPacking(packing); err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	body, err := api.ExportImage(c.Context, name, packing)
	if err != nil {
		return err
	}
	defer body.Close()
	if to == "-" {
		return copyAll(c.App.Writer, body)
	}
	return writeWhole(to, body)
}

// writeWhole writes a file that appears whole or not at all.
func writeWhole(to string, body io.Reader) error {
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		return usage("%s is a folder; name the file", to)
	}
	part := to + ".part"
	f, err := os.Create(part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return inventory.Errorf(inventory.ErrNotFound, "%s can't be written: there is no folder %s", to, filepath.Dir(to))
	case errors.Is(err, fs.ErrPermission):
		return inventory.Errorf(inventory.ErrDenied, "you may not write to %s", filepath.Dir(to))
	case err != nil:
		return err
	}
	err = copyAll(f, body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		os.Remove(part)
	}
	return err
}

func copyAll(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "the export broke off: %v; the agent's log says why", err)
	}
	return nil
}
