package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
)

// maxEdit is how much of a file an editor is given.
const maxEdit = 16 << 20

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
	old, err := io.ReadAll(io.LimitReader(body, maxEdit+1))
	body.Close()
	if err != nil {
		return err
	}
	if len(old) > maxEdit {
		return usage("%s is larger than %s, too large to edit; pull it and push it", p,
			inventory.Bytes(maxEdit))
	}
	edited, err := edit(old, path.Ext(p))
	if err != nil || bytes.Equal(old, edited) {
		return err
	}
	args := inventory.FileArgs{Path: p, Mode: info.Mode, UID: &info.UID, GID: &info.GID}
	return api.WriteFile(c.Context, from, args, bytes.NewReader(edited), why(c))
}

// edit lets the person change text in their editor.
func edit(text []byte, extension string) ([]byte, error) {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"))
	if editor == "" && !isTerminal(os.Stdin) {
		return nil, usage("there is no terminal to edit on; set EDITOR to a program that edits without one")
	}
	editor = cmp.Or(editor, "vi")
	f, err := os.CreateTemp("", "lodge-*"+extension)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	words := append(strings.Fields(editor), f.Name())
	cmd := osexec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"the editor %q ended badly, nothing was changed: %v", editor, err)
	}
	return os.ReadFile(f.Name())
}
