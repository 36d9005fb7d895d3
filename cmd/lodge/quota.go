package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func quotaCommands() []*cli.Command {
	wholeHost := func() cli.Flag {
		return &cli.BoolFlag{Name: "whole-host", Usage: "of all projects together"}
	}
	return []*cli.Command{{Name: "quota", Category: "Projects",
		Usage: "the most that the containers of a project may reserve", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "quotas, and what is used of them",
				ArgsUsage: "[PROJECT]", Action: listQuotas, BashComplete: completeProjects},
			{Name: "set", Usage: "set quotas", ArgsUsage: "[PROJECT] KEY=VALUE...",
				Description: "Keys: containers, cpus, memory, disk. What is used already stays, even beyond a quota.",
				Flags:       mutationFlags(wholeHost()), Action: setQuota, BashComplete: completeProjects},
			{Name: "unset", Usage: "take quotas away", ArgsUsage: "[PROJECT] KEY...",
				Flags: mutationFlags(wholeHost()), Action: unsetQuota, BashComplete: completeProjects},
		}}}
}

func listQuotas(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("quota list takes one PROJECT")
	}
	all, err := read(c, func(api *client.Client) ([]wire.Quota, error) {
		return api.Quotas(c.Context, c.Args().First())
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Quota]{
		{"project", false, func(q wire.Quota) string {
			return strings.ReplaceAll(q.Project, inventory.WholeHost, "(whole host)")
		}},
		{"quota", false, func(q wire.Quota) string { return q.Name }},
		{"used", false, func(q wire.Quota) string { return inventory.QuotaText(q.Name, q.Used) }},
		{"most", false, func(q wire.Quota) string { return inventory.QuotaText(q.Name, q.Max) }},
	})
}

// quotaProject tells the project a command is about from the words that follow it.
func quotaProject(c *cli.Context, isKey func(string) bool) (name string, rest []string, err error) {
	name, rest = project(c), c.Args().Slice()
	if len(rest) > 0 && !isKey(rest[0]) {
		name, rest = rest[0], rest[1:]
		if c.Bool("whole-host") {
			return "", nil, usage("give a project or --whole-host, not both")
		}
	}
	if c.Bool("whole-host") {
		name = inventory.WholeHost
	}
	if len(rest) == 0 {
		return "", nil, usage("%s needs KEY=VALUE, like: lodge quota set shop containers=20 memory=16GiB", commandName(c))
	}
	return name, rest, nil
}

func setQuota(c *cli.Context) error {
	name, rest, err := quotaProject(c, func(word string) bool { return strings.Contains(word, "=") })
	if err != nil {
		return err
	}
	values, err := pairs("quota set", rest)
	if err != nil {
		return err
	}
	return changeQuota(c, inventory.QuotaArgs{Project: name, Quotas: values})
}

func unsetQuota(c *cli.Context) error {
	name, rest, err := quotaProject(c, func(word string) bool {
		_, err := inventory.ParseQuota(word, "0")
		return err == nil
	})
	if err != nil {
		return err
	}
	return changeQuota(c, inventory.QuotaArgs{Project: name, Unset: rest})
}

func changeQuota(c *cli.Context, args inventory.QuotaArgs) error {
	who := "project " + args.Project
	if args.Project == inventory.WholeHost {
		who = "the host"
	}
	return mutateEach(c, []string{who}, says("the quotas of "+who+" are changed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.SetQuotas(ctx, args, o)
		})
}
