package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/audit"
	"lodge/inventory"
)

func evidenceCommands() []*cli.Command {
	return []*cli.Command{{Name: "evidence", Category: "Evidence", ArgsUsage: "NAME|ID", Action: exportEvidence,
		Usage: "what an auditor asks of a container: who, what, when, with the proof", BashComplete: completeContainers,
		Description: "Writes a folder: index.html to be read and printed, evidence.json to be computed with, the part of the journal it\n" +
			"rests on, and a signed list of all of it, which audit verify FOLDER checks without the agent. It tells of\n" +
			"containers that are gone, too, and of each that had the name between the two times.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "from", Usage: "`TIME`: 2026-05-03, '30d ago'; from the beginning without it"},
			&cli.StringFlag{Name: "to", Usage: "`TIME`; until now without it"},
			&cli.StringFlag{Name: "dir", Usage: "write into the new folder `DIR` instead of evidence-NAME"}}}}
}

func exportEvidence(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("evidence needs the name or the id of one container")
	}
	of := ref(c, c.Args().First())
	from, to, err := bounds(c)
	if err != nil {
		return err
	}
	dir := c.String("dir")
	if dir == "" {
		dir = "evidence-" + of.Name
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return usage("%s is there already; --dir says another folder", dir)
	}
	err = unpacked(c.Context, dir, func(ctx context.Context, w io.Writer) error {
		api, err := dial(c)
		if err != nil {
			return err
		}
		defer api.Close()
		return api.Evidence(ctx, w, of, from, to)
	})
	if err != nil {
		return err
	}
	r, err := audit.VerifyEvidence(dir, audit.VerifyOptions{})
	if err != nil {
		return err
	}
	if structured(c) {
		err = printValue(c, r)
	} else if !c.Bool("quiet") {
		fmt.Fprintf(c.App.Writer, "%s: %s, %d files, resting on %d records; audit key %s\n", printable(filepath.Join(dir, "index.html")),
			r.Verdict, r.Documents, r.Cited, r.Key)
	}
	return errors.Join(err, verdictCode(r.ExitCode()))
}

// bounds reads --from and --to; zero for one that is not given.
func bounds(c *cli.Context) (from, to time.Time, err error) {
	for name, at := range map[string]*time.Time{"from": &from, "to": &to} {
		if text := c.String(name); text != "" {
			if *at, err = inventory.ParseTime(text, time.Now()); err != nil {
				return from, to, err
			}
		}
	}
	return from, to, nil
}

// unpacked makes the folder of the tar file that fetch writes. It is there whole or not at all.
func unpacked(ctx context.Context, dir string, fetch func(context.Context, io.Writer) error) error {
	part, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".evidence-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	r, w := io.Pipe()
	go func() { w.CloseWithError(fetch(ctx, w)) }()
	err = unpack(r, part)
	r.CloseWithError(err) // what comes after an error is not read
	if err != nil {
		return err
	}
	return os.Rename(part, dir)
}

// unpack writes plain files below dir, and nothing else.
func unpack(from io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(from); ; {
		h, err := t.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, from) // the agent's error, if it broke off
			return err
		}
		if err != nil {
			return err
		}
		name := filepath.FromSlash(h.Name)
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			return inventory.Errorf(inventory.ErrInvalid, "the agent sent %q, which is no file of the folder", h.Name)
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if _, err = io.Copy(f, t); err == nil {
			err = f.Close()
		}
		if err != nil {
			f.Close()
			return err
		}
	}
}
