package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func powerCommands() []*cli.Command {
	stopFlags := func() []cli.Flag {
		return append(changeFlags(&cli.StringFlag{Name: "timeout",
			Usage: "how long init may take: `DURATION`"},
			&cli.BoolFlag{Name: "kill", Usage: "kill it when the time is over"},
			&cli.StringFlag{Name: "wait-timeout", Usage: "stop waiting after `DURATION`; the operation goes on"}), chooseFlags()...)
	}
	return []*cli.Command{
		power("start", "start containers", "runs", manyFlags(), func(c *cli.Context) mutation {
			return func(ctx context.Context, api *client.Client, name string,
				o client.Options) (client.Answer, error) {
				return api.Start(ctx, ref(c, name), o)
			}
		}),
		power("stop", "stop containers, gracefully", "is stopped", stopFlags(),
			func(c *cli.Context) mutation {
				return func(ctx context.Context, api *client.Client, name string,
					o client.Options) (client.Answer, error) {
					return api.Stop(ctx, ref(c, name), stopArgs(c), o)
				}
			}),
		power("restart", "stop containers and start them again", "runs", stopFlags(),
			func(c *cli.Context) mutation {
				return func(ctx context.Context, api *client.Client, name string,
					o client.Options) (client.Answer, error) {
					return api.Restart(ctx, ref(c, name), stopArgs(c), o)
				}
			}),
		power("kill", "kill every process of containers", "is killed", manyFlags(),
			func(c *cli.Context) mutation {
				return func(ctx context.Context, api *client.Client, name string,
					o client.Options) (client.Answer, error) {
					return api.Kill(ctx, ref(c, name), o)
				}
			}),
		power("freeze", "make containers stand still", "is frozen", manyFlags(),
			func(c *cli.Context) mutation {
				return func(ctx context.Context, api *client.Client, name string,
					o client.Options) (client.Answer, error) {
					return api.Freeze(ctx, ref(c, name), o)
				}
			}),
		power("unfreeze", "let frozen containers go on", "runs", manyFlags(),
			func(c *cli.Context) mutation {
				return func(ctx context.Context, api *client.Client, name string,
					o client.Options) (client.Answer, error) {
					return api.Unfreeze(ctx, ref(c, name), o)
				}
			}),
	}
}

func stopArgs(c *cli.Context) inventory.StopArgs {
	return inventory.StopArgs{Timeout: c.String("timeout"), Kill: c.Bool("kill")}
}

func power(name, usage, done string, flags []cli.Flag, m func(*cli.Context) mutation) *cli.Command {
	return &cli.Command{Name: name, Category: "Containers", Usage: usage, ArgsUsage: "NAME...",
		Flags:        flags,
		BashComplete: completeContainers, Action: func(c *cli.Context) error {
			names, err := chosenNames(c)
			if err != nil {
				return err
			}
			return mutateEach(c, names, is(done), m(c))
		}}
}

// manyFlags are those of commands that work on many containers at once.
func manyFlags(more ...cli.Flag) []cli.Flag {
	return append(mutationFlags(more...), chooseFlags()...)
}

func chooseFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "every container of the project it can be done to"},
		&cli.StringFlag{Name: "filter", Usage: "every container that matches `EXPRESSION`"},
		allProjects()}
}

// fits says in which states --all and --filter mean a container.
var fits = map[string]string{
	"start": "state=stopped | state=error", "stop": "state=running | state=frozen", "restart": "state=running | state=frozen",
	"kill": "state=running | state=frozen", "freeze": "state=running", "unfreeze": "state=frozen",
}

// nameHere is what ref reads as this container, whichever project the caller means.
func nameHere(c *cli.Context, w wire.Container) string {
	if w.Project == project(c) {
		return w.Name
	}
	return w.Project + "/" + w.Name
}

// chosenNames returns the containers a command is about: those named, or those that --all or
// --filter choose.
func chosenNames(c *cli.Context) ([]string, error) {
	all, filter := c.Bool("all"), c.String("filter")
	switch {
	case c.NArg() > 0 && (all || filter != ""):
		return nil, usage("give names, or --all or --filter, not both")
	case c.NArg() > 0:
		return once(c.Args().Slice()), nil
	case !all && filter == "":
		return nil, usage("%s needs the name of a container, or --all or --filter", c.Command.Name)
	}
	return chosenBy(c)
}

// chosenBy returns what --all or --filter mean.
func chosenBy(c *cli.Context) ([]string, error) {
	filter := c.String("filter")
	switch fit := fits[c.Command.Name]; {
	case filter == "":
		filter = fit
	case fit != "":
		filter = "(" + filter + ") & (" + fit + ")"
	}
	found, err := read(c, func(api *client.Client) ([]wire.Container, error) {
		return api.AllContainers(c.Context, client.ContainerQuery{Project: listed(c), Filter: filter})
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range found {
		names = append(names, nameHere(c, w))
	}
	if len(names) == 0 && !c.Bool("quiet") {
		fmt.Fprintln(c.App.ErrWriter, "no container matches")
	}
	return names, nil
}
