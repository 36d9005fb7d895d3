package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func importCommands() []*cli.Command {
	// A container that was booted before has no first boot, for which user data is.
	flags := slices.DeleteFunc(createFlags(), func(f cli.Flag) bool { return f.Names()[0] == "user-data" })
	return []*cli.Command{{Name: "import", Category: "Containers",
		Usage: "make a container of an export of Incus or LXD", ArgsUsage: "FILE|- [NAME]",
		Description: "Takes what 'incus export' and 'lxc export' write (not with --optimized-storage). CPUs, memory,\n" +
			"processes, disk size, nesting and user.* keys are taken over unless flags say otherwise; everything\n" +
			"else is named, with the reason: --plan shows it before. The container gets an address, machine id\n" +
			"and host keys of its own, and is not started. The export's files count against its disk.",
		Flags: mutationFlags(flags...), Action: importContainer}}
}

func importContainer(c *cli.Context) error {
	if n := c.NArg(); n < 1 || n > 2 {
		return usage("import needs FILE, or - for standard input, and may have NAME, like: lodge import web1.tar.gz web1")
	}
	file := c.Args().First()
	args := inventory.ImportContainerArgs{}
	if file != "-" {
		args.Source = filepath.Base(file)
	}
	var err error
	if args.CreateArgs, err = createArgs(c); err != nil {
		return err
	}
	args.Image = ""
	a, err := openArchive(c, []string{file})
	if err != nil {
		return err
	}
	defer a.Close()
	return mutateEach(c, []string{file}, imported, sending(c, func(o client.Options, api *client.Client) (client.Answer, error) {
		return api.ImportContainer(c.Context, args, a, o)
	}))
}

// imported tells what came about, and on the error output what is missing of what it was.
func imported(c *cli.Context, api *client.Client, op wire.Operation) string {
	var was inventory.Imported
	if err := json.Unmarshal(op.Result, &was); err == nil && !c.Bool("quiet") {
		for _, l := range was.Left {
			fmt.Fprintf(c.App.ErrWriter, "not taken over: %s: %s\n", printable(l.What), printable(l.Why))
		}
	}
	return made(false)(c, api, op)
}

// sending is a mutation that sends an archive. It goes out once, and Ctrl-C may cut it off: until all
// of it has arrived nothing has begun.
func sending(c *cli.Context, send func(o client.Options, api *client.Client) (client.Answer, error)) mutation {
	return func(_ context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
		o.Wait = 0
		answer, err := send(o, api)
		if errors.As(err, new(*url.Error)) {
			err = inventory.Errorf(inventory.ErrUnavailable, "%v", err) // not the error begin would send again
		}
		return answer, err
	}
}

// sendImage is the mutation that sends an archive to become an image.
func sendImage(c *cli.Context, archive io.Reader, args inventory.ImportArgs) mutation {
	return sending(c, func(o client.Options, api *client.Client) (client.Answer, error) {
		return api.ImportImage(c.Context, args, archive, o)
	})
}
