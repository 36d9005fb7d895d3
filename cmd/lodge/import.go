package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func importCommands() []*cli.Command {
	return []*cli.Command{{Name: "import", Category: "Containers",
		Usage: "make a container of an export of Incus or LXD", ArgsUsage: "FILE [NAME]",
		Description: "Takes what 'incus export' and 'lxc export' write (not with --optimized-storage). CPUs, memory,\n" +
			"processes, disk size, nesting and user.* keys are taken over; everything else is named, with the\n" +
			"reason. The container gets an address, machine id and host keys of its own, and is not started.",
		Flags: mutationFlags(append(createFlags(), &cli.BoolFlag{Name: "keep-image",
			Usage: "keep the image it is made from"})...), Action: importContainer}}
}

// imported is the part of an image's record that tells of the container it was; see manager/image.
type imported struct {
	Container *struct {
		Name        string            `json:"name"`
		Description string            `json:"description"`
		Settings    map[string]string `json:"settings"`
		Labels      map[string]string `json:"labels"`
		Left        []leftOut         `json:"left_out"`
	} `json:"container"`
}

type leftOut struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// importContainer is two operations: the file becomes an image, and the image a container. The image
// goes again in the end; if the second fails it stays, to be tried with other parameters.
func importContainer(c *cli.Context) error {
	if n := c.NArg(); n < 1 || n > 2 {
		return usage("import needs FILE and may have NAME, like: lodge import web1.tar.gz web1")
	}
	if c.Bool("no-wait") {
		return usage("import is two operations and waits for both; leave out --no-wait")
	}
	file := c.Args().First()
	alias := "imported/" + strings.ToLower(inventory.NewID(time.Now()))
	f, err := openFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	answer, err := begin(c, api, file, sending(c, f, inventory.ImportArgs{Alias: alias, Source: filepath.Base(file)}))
	if err != nil {
		return err
	}
	s := &settling{Context: c, api: api, end: is("is imported")}
	if answer.Operation == nil {
		return s.settle(answer, file)
	}
	ended, err := follow(c, api, *answer.Operation, false)
	if err == nil {
		err = ended.Err()
	}
	if err != nil {
		return err
	}
	return importAs(c, s, alias, file)
}

// importAs makes the container of the image, and says what is missing of what it was.
func importAs(c *cli.Context, s *settling, alias, file string) error {
	m, err := s.api.Image(c.Context, alias)
	if err != nil {
		return err
	}
	var record imported
	if json.Unmarshal(m.Build, &record) != nil || record.Container == nil {
		dropImage(c, s.api, alias, m)
		return inventory.Errorf(inventory.ErrInvalid,
			"%s is no export of a container; 'lodge image import %s --alias NAME' takes images", file, file)
	}
	args, err := importArgs(c, m, record, file)
	if err != nil {
		return err
	}
	s.end = made(false)
	answer, err := begin(c, s.api, args.Name, func(ctx context.Context, api *client.Client, _ string,
		o client.Options) (client.Answer, error) {
		return api.Create(ctx, args, false, o)
	})
	if err == nil {
		err = s.settle(answer, args.Name)
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "the image %s is kept: 'lodge create %s NAME --purpose TEXT' makes a container of it\n", alias, alias)
		return err
	}
	if !c.Bool("quiet") {
		for _, l := range record.Container.Left {
			fmt.Fprintf(c.App.ErrWriter, "not taken over: %s: %s\n", printable(l.What), printable(l.Why))
		}
	}
	if !c.Bool("keep-image") && answer.Operation != nil {
		dropImage(c, s.api, alias, m)
	}
	return nil
}

// importArgs are what the container was, and over that what the caller says.
func importArgs(c *cli.Context, m wire.Image, record imported, file string) (inventory.CreateArgs, error) {
	was := record.Container
	if c.String("purpose") == "" {
		if err := c.Set("purpose", cmp.Or(was.Description, "imported from "+filepath.Base(file))); err != nil {
			return inventory.CreateArgs{}, err
		}
	}
	args, err := createArgs(c)
	if err != nil {
		return args, err
	}
	args.Image = m.Digest
	if args.Name == "" {
		args.Name = was.Name
	}
	settings, labels := maps.Clone(was.Settings), maps.Clone(was.Labels)
	if settings == nil {
		settings = map[string]string{}
	}
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(settings, args.Settings)
	maps.Copy(labels, args.Labels)
	args.Settings, args.Labels = settings, labels
	return args, nil
}

// dropImage takes away the image, or only the name if the same image was there before. Nothing is
// lost if that fails: the image is in the list.
func dropImage(c *cli.Context, api *client.Client, alias string, m wire.Image) {
	others := slices.DeleteFunc(slices.Clone(m.Aliases), func(a string) bool { return a == alias })
	ctx, o := context.WithoutCancel(c.Context), client.Options{Wait: time.Minute, Reason: "was only for an import"}
	var err error
	if len(others) > 0 {
		_, err = api.AliasImage(ctx, inventory.ImageArgs{Image: alias}, o)
	} else {
		_, err = api.DeleteImage(ctx, m.Digest, o)
	}
	if err != nil {
		complain(c.App.ErrWriter, fmt.Errorf("the image %s stays: %w", alias, err))
	}
}

// sending is the mutation that sends an archive. It goes out once, and Ctrl-C may cut it off: until
// all of it has arrived nothing has begun.
func sending(c *cli.Context, archive io.Reader, args inventory.ImportArgs) mutation {
	return func(_ context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
		o.Wait = 0
		answer, err := api.ImportImage(c.Context, args, archive, o)
		if errors.As(err, new(*url.Error)) {
			err = inventory.Errorf(inventory.ErrUnavailable, "%v", err) // not the error begin would send again
		}
		return answer, err
	}
}
