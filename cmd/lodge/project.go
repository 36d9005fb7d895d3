package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func projectCommands() []*cli.Command {
	facts := func() []cli.Flag {
		return mutationFlags(
			&cli.StringFlag{Name: "purpose", Usage: "what it is for, in a sentence: `TEXT`"},
			&cli.StringFlag{Name: "owner", Usage: "`USER` who answers for it"},
			&cli.StringSliceFlag{Name: "member",
				Usage: "`USER=WORD` to note for people, or USER- to take away, may be repeated; 'lodge role grant' gives rights"},
			&cli.StringFlag{Name: "network", Usage: "`NETWORK` of containers that name none"},
			&cli.StringFlag{Name: "image", Usage: "`IMAGE` of containers that name none"})
	}
	return []*cli.Command{{Name: "project", Category: "Projects",
		Usage: "tenants: members, defaults and quotas of their containers", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list projects", Action: listProjects},
			{Name: "show", Usage: "everything about one, and what its containers inherit",
				ArgsUsage: "[PROJECT]", Action: showProject, BashComplete: completeProjects},
			{Name: "create", Usage: "make a project", ArgsUsage: "PROJECT [KEY=VALUE...]", Flags: facts(),
				Description: "KEY=VALUE are settings that its containers inherit.", Action: createProject},
			{Name: "set", Usage: "change a project; its containers follow", ArgsUsage: "PROJECT [KEY=VALUE...]",
				Description: "Live settings reach running containers at once, unless they have a value of their own.",
				Flags:       facts(), Action: setProject, BashComplete: completeProjects},
			{Name: "unset", Usage: "go back to what the host sets", ArgsUsage: "PROJECT KEY...",
				Flags: mutationFlags(), Action: unsetProject, BashComplete: completeProjects},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove projects without containers",
				ArgsUsage: "PROJECT...", Flags: mutationFlags(), Action: deleteProjects, BashComplete: completeProjects},
		}}}
}

func listProjects(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Project, error) { return api.Projects(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Project]{
		{"name", false, func(p wire.Project) string { return p.Name }},
		{"containers", false, func(p wire.Project) string { return fmt.Sprint(p.Containers) }},
		{"owner", false, func(p wire.Project) string { return p.Owner }},
		{"quotas", false, func(p wire.Project) string { return quotaText(p.Quotas) }},
		{"purpose", false, func(p wire.Project) string { return p.Purpose }},
		{"members", true, func(p wire.Project) string { return memberText(p.Members) }},
		{"network", true, func(p wire.Project) string { return p.Network }},
		{"image", true, func(p wire.Project) string { return p.Image }},
		{"settings", true, func(p wire.Project) string { return labelText(p.Settings) }},
		{"created", true, func(p wire.Project) string { return when(p.CreatedAt) }},
	})
}

func memberText(members []inventory.Member) string {
	var out []string
	for _, m := range members {
		out = append(out, m.Principal+"="+m.Role)
	}
	return strings.Join(out, " ")
}

// quotaText writes quotas as used/most.
func quotaText(quotas []wire.Quota) string {
	var out []string
	for _, q := range quotas {
		out = append(out, fmt.Sprintf("%s=%s/%s", q.Name, inventory.QuotaText(q.Name, q.Used),
			inventory.QuotaText(q.Name, q.Max)))
	}
	return strings.Join(out, " ")
}

// showProject shows the named project, or the one the caller works in.
func showProject(c *cli.Context) error {
	name := c.Args().First()
	if c.NArg() > 1 {
		return usage("project show takes one PROJECT")
	}
	if name == "" {
		name = project(c)
	}
	p, err := read(c, func(api *client.Client) (wire.Project, error) { return api.Project(c.Context, name) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, p)
	}
	printFields(c.App.Writer, []field{{"name", p.Name}, {"purpose", p.Purpose}, {"owner", p.Owner},
		{"members", memberText(p.Members)}, {"containers", fmt.Sprint(p.Containers)},
		{"network", p.Network}, {"image", p.Image}, {"quotas", quotaText(p.Quotas)},
		{"revision", fmt.Sprint(p.Revision)}, {"created", when(p.CreatedAt)}, {"updated", when(p.UpdatedAt)}})
	fmt.Fprintln(c.App.Writer, "\nits containers inherit")
	for _, v := range p.Effective {
		fmt.Fprintf(c.App.Writer, "  %-22s %-14s %s\n", v.Setting, printable(v.Value), printable(v.Origin))
	}
	return nil
}

// projectArgs reads the flags and settings of project create and project set.
func projectArgs(c *cli.Context) (args inventory.ProjectArgs, err error) {
	if c.NArg() == 0 || strings.Contains(c.Args().First(), "=") {
		return args, usage("%s needs the name of one project", commandName(c))
	}
	args.Name = c.Args().First()
	for flag, field := range map[string]**string{"purpose": &args.Purpose, "owner": &args.Owner,
		"network": &args.Network, "image": &args.Image} {
		if c.IsSet(flag) {
			value := c.String(flag)
			*field = &value
		}
	}
	for _, text := range c.StringSlice("member") {
		if name, ok := strings.CutSuffix(text, "-"); ok && !strings.Contains(text, "=") {
			args.Unmember = append(args.Unmember, name)
			continue
		}
		name, role, ok := strings.Cut(text, "=")
		if !ok {
			return args, usage("--member %s: write it like dev1=operator, or dev1- to take dev1 away", text)
		}
		args.Members = append(args.Members, inventory.Member{Principal: name, Role: role})
	}
	args.Settings, err = pairs(commandName(c), c.Args().Tail())
	return args, err
}

func createProject(c *cli.Context) error {
	args, err := projectArgs(c)
	if err != nil {
		return err
	}
	return mutateEach(c, []string{args.Name}, says("project "+args.Name+" is created"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreateProject(ctx, args, o)
		})
}

func setProject(c *cli.Context) error {
	args, err := projectArgs(c)
	if err != nil {
		return err
	}
	return updateProject(c, args)
}

func unsetProject(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("project unset needs PROJECT and at least one KEY")
	}
	return updateProject(c, inventory.ProjectArgs{Name: c.Args().First(), Unset: c.Args().Tail()})
}

func updateProject(c *cli.Context, args inventory.ProjectArgs) error {
	return mutateEach(c, []string{args.Name}, says("project "+args.Name+" is changed"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.UpdateProject(ctx, name, args, o)
		})
}

func deleteProjects(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, func(_ *cli.Context, _ *client.Client, op wire.Operation) string {
		return "project " + op.Name + " is gone"
	}, func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.DeleteProject(ctx, name, o)
	})
}

func completeProjects(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Projects(ctx)
		for _, p := range all {
			names = append(names, p.Name)
		}
		return slices.Sorted(slices.Values(names)), err
	})
}
