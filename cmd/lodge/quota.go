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
	holder := func() []cli.Flag {
		return []cli.Flag{
			&cli.BoolFlag{Name: "whole-host", Usage: "of all projects together"},
			&cli.StringFlag{Name: "owner", Usage: "of what `USER` (or a group) owns, in all projects"},
			&cli.StringFlag{Name: "env", Usage: "of an `ENVIRONMENT`: prod, dr, staging, test, dev"}}
	}
	return []*cli.Command{{Name: "quota", Category: "Projects",
		Usage: "the most that a project, an owner or an environment may reserve", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "quotas, what is committed of them and what is in use",
				ArgsUsage: "[PROJECT]", Flags: holder(), Action: listQuotas, BashComplete: completeProjects},
			{Name: "set", Usage: "set quotas", ArgsUsage: "[PROJECT] KEY=VALUE...",
				Description: "Keys: containers, cpus, memory, disk, addresses, privileged, nested. What is committed already stays, even beyond a quota.",
				Flags:       mutationFlags(holder()...), Action: setQuota, BashComplete: completeProjects},
			{Name: "unset", Usage: "take quotas away", ArgsUsage: "[PROJECT] KEY...",
				Flags: mutationFlags(holder()...), Action: unsetQuota, BashComplete: completeProjects},
		}}}
}

func listQuotas(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("quota list takes one PROJECT")
	}
	var h inventory.QuotaHolder
	if c.NArg() == 1 || c.Bool("whole-host") || c.String("owner") != "" || c.String("env") != "" {
		holder, rest, err := quotaHolder(c, func(string) bool { return false })
		if err != nil || len(rest) > 0 {
			return err
		}
		h = holder
	}
	all, err := read(c, func(api *client.Client) ([]wire.Quota, error) { return api.QuotasOf(c.Context, h) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Quota]{
		{"whose", false, func(q wire.Quota) string {
			return inventory.QuotaHolder{Project: q.Project, Owner: q.Owner, Environment: inventory.Environment(q.Environment)}.String()
		}},
		{"quota", false, func(q wire.Quota) string { return q.Name }},
		{"max", false, func(q wire.Quota) string { return inventory.QuotaText(q.Name, q.Max) }},
		{"committed", false, func(q wire.Quota) string { return inventory.QuotaText(q.Name, q.Used) }},
		{"in use", false, func(q wire.Quota) string {
			if q.InUse == nil {
				return ""
			}
			return inventory.QuotaText(q.Name, *q.InUse)
		}},
	})
}

// quotaHolder tells whose quotas a command is about from its flags and the words that follow it.
func quotaHolder(c *cli.Context, isKey func(string) bool) (h inventory.QuotaHolder, rest []string, err error) {
	rest = c.Args().Slice()
	if len(rest) > 0 && !isKey(rest[0]) {
		h.Project, rest = rest[0], rest[1:]
	}
	if c.Bool("whole-host") && h.Project == "" {
		h.Project = inventory.WholeHost
	} else if c.Bool("whole-host") {
		return h, nil, usage("give a project or --whole-host, not both")
	}
	h.Owner, h.Environment = c.String("owner"), inventory.Environment(c.String("env"))
	if h == (inventory.QuotaHolder{}) {
		h.Project = project(c)
	}
	if err := h.Check(); err != nil {
		return h, nil, usage("%v", err)
	}
	return h, rest, nil
}

// quotaKeys is quotaHolder for commands that need keys.
func quotaKeys(c *cli.Context, isKey func(string) bool) (h inventory.QuotaHolder, rest []string, err error) {
	h, rest, err = quotaHolder(c, isKey)
	if err == nil && len(rest) == 0 {
		err = usage("%s needs KEY=VALUE, like: lodge quota set shop containers=20 memory=16GiB", commandName(c))
	}
	return h, rest, err
}

func setQuota(c *cli.Context) error {
	holder, rest, err := quotaKeys(c, func(word string) bool { return strings.Contains(word, "=") })
	if err != nil {
		return err
	}
	values, err := pairs("quota set", rest)
	if err != nil {
		return err
	}
	return changeQuota(c, holder, inventory.QuotaArgs{Quotas: values})
}

func unsetQuota(c *cli.Context) error {
	holder, rest, err := quotaKeys(c, func(word string) bool {
		_, err := inventory.ParseQuota(word, "0")
		return err == nil
	})
	if err != nil {
		return err
	}
	return changeQuota(c, holder, inventory.QuotaArgs{Unset: rest})
}

func changeQuota(c *cli.Context, h inventory.QuotaHolder, args inventory.QuotaArgs) error {
	args.Project, args.Owner, args.Environment = h.Project, h.Owner, string(h.Environment)
	return mutateEach(c, []string{h.String()}, says("the quotas of "+h.String()+" are changed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.SetQuotas(ctx, args, o)
		})
}
