package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/web/client"
	"lodge/web/wire"
)

func manualCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "version", Category: "Help",
			Usage: "the version of the command line and of the agent", Action: showVersion},
		{Name: "completion", Category: "Help", Usage: "completion for a shell: bash, zsh or fish",
			ArgsUsage: "SHELL", Action: completion, BashComplete: completeShells},
		{Name: "man", Category: "Help", Usage: "the manual page, for man -l -", Action: manualPage},
		// reorder turns this one into --help of the command it names.
		{Name: "help", Category: "Help", Usage: "how to use a command", ArgsUsage: "COMMAND",
			Action: cli.ShowAppHelp, BashComplete: completeCommands},
	}
}

// versions is what -o json prints of version.
type versions struct {
	Lodge  string        `json:"lodge"`
	Lodged *wire.Version `json:"lodged,omitempty"` // absent if no agent answers
}

func showVersion(c *cli.Context) error {
	ctx, cancel := context.WithTimeout(c.Context, 2*time.Second)
	defer cancel()
	v := versions{Lodge: version}
	agent, err := read(c, func(api *client.Client) (wire.Version, error) { return api.Version(ctx) })
	if err == nil {
		v.Lodged = &agent
	}
	if structured(c) {
		return printValue(c, v)
	}
	fields := []field{{"lodge", v.Lodge}, {"lodged", "not reached"}}
	if err == nil {
		fields[1].value = agent.Version
	}
	printFields(c.App.Writer, fields)
	return nil
}

func manualPage(c *cli.Context) error {
	page, err := c.App.ToManWithSection(8)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.Writer, page)
	return err
}
