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

const onHelp = "WHERE is host, project:NAME, container:NAME, or selector:FILTER over label.KEY, env, class, project and name."

func roleCommands() []*cli.Command {
	on := &cli.StringFlag{Name: "on", Usage: "`WHERE` it holds: host, project:NAME, container:NAME, selector:FILTER"}
	return []*cli.Command{{Name: "role", Category: identityCategory, Usage: "who may do what, and where",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "who was given which role on what", Action: listBindings,
				Flags: []cli.Flag{&cli.StringFlag{Name: "to", Usage: "only this `USER` or group"}}},
			{Name: "show", Usage: "the roles there are, and what they give", ArgsUsage: "[ROLE]", Action: showRoles},
			{Name: "grant", Usage: "give a user or group a role", ArgsUsage: "ROLE USER|GROUP",
				Description: onHelp + "\nRoles are viewer, operator, owner, approver, auditor and admin. auditor is kept apart from\n" +
					"operator, owner and admin. Who owns a container has the role owner on it, and gives others theirs there.",
				Flags: mutationFlags(on, &cli.StringFlag{Name: "expires", Usage: "hold no more after `DURATION`"}), Action: grantRole},
			{Name: "revoke", Usage: "take a role from a user or group; sessions that take it end", ArgsUsage: "ROLE USER|GROUP",
				Description: onHelp, Flags: mutationFlags(on), Action: revokeRole},
			{Name: "who", Usage: "who holds which role on containers, or on the host, and why", ArgsUsage: "[NAME...]",
				Action: whoMay, BashComplete: completeContainers},
		}}}
}

func listBindings(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Binding, error) { return api.Bindings(c.Context, c.String("to")) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Binding]{
		{"role", false, func(b wire.Binding) string { return string(b.Role) }},
		{"to", false, func(b wire.Binding) string { return b.To }},
		{"on", false, func(b wire.Binding) string { return b.On }},
		{"expires", false, func(b wire.Binding) string { return when(b.Expires) }},
		{"by", false, func(b wire.Binding) string { return b.CreatedBy }},
		{"reason", false, func(b wire.Binding) string { return b.Reason }},
		{"given", true, func(b wire.Binding) string { return when(b.CreatedAt) }},
		{"id", true, func(b wire.Binding) string { return string(b.ID) }},
	})
}

func showRoles(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Role, error) { return api.Roles(c.Context) })
	if err != nil {
		return err
	}
	if c.NArg() > 0 {
		if _, err := inventory.ParseRole(c.Args().First()); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(r wire.Role) bool { return string(r.Name) != c.Args().First() })
	}
	return printList(c, all, []column[wire.Role]{
		{"role", false, func(r wire.Role) string { return string(r.Name) }},
		{"what", false, func(r wire.Role) string { return r.Doc }},
		{"rights", false, rightsText},
	})
}

func rightsText(r wire.Role) string {
	var out []string
	for _, right := range r.Rights {
		out = append(out, string(right))
	}
	for _, right := range r.NotProd {
		out = append(out, string(right)+" (not prod)")
	}
	return strings.Join(out, ", ")
}

func roleArgs(c *cli.Context) (inventory.RoleArgs, error) {
	if c.NArg() != 2 || c.String("on") == "" {
		return inventory.RoleArgs{}, usage("%s needs a ROLE, a USER or group, and --on WHERE, like: lodge %s operator dev1 --on project:shop",
			commandName(c), commandName(c))
	}
	return inventory.RoleArgs{Role: c.Args().Get(0), To: c.Args().Get(1), On: extent(c), Expires: c.String("expires")}, nil
}

// extent is what --on says, with a container's name in the project that is meant.
func extent(c *cli.Context) string {
	on := c.String("on")
	if name, ok := strings.CutPrefix(on, "container:"); ok && !inventory.IsID(name) {
		return "container:" + ref(c, name).String()
	}
	return on
}

func grantRole(c *cli.Context) error {
	args, err := roleArgs(c)
	if err != nil {
		return err
	}
	return mutateEach(c, []string{args.To}, is(fmt.Sprintf("is %s on %s", args.Role, args.On)),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Grant(ctx, args, o)
		})
}

func revokeRole(c *cli.Context) error {
	args, err := roleArgs(c)
	if err != nil {
		return err
	}
	return mutateEach(c, []string{args.To}, is(fmt.Sprintf("is not %s on %s any more", args.Role, args.On)),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Revoke(ctx, args, o)
		})
}

func whoMay(c *cli.Context) error {
	refs := []inventory.Ref{{}}
	if c.NArg() > 0 {
		refs = nil
	}
	for _, name := range c.Args().Slice() {
		refs = append(refs, ref(c, name))
	}
	all, err := read(c, func(api *client.Client) (all []wire.Holding, err error) {
		for _, ref := range refs {
			some, err := api.Who(c.Context, ref)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		return all, nil
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Holding]{
		{"user", false, func(h wire.Holding) string { return h.User }},
		{"role", false, func(h wire.Holding) string { return string(h.Role) }},
		{"by", false, func(h wire.Holding) string { return h.By }},
		{"on", false, func(h wire.Holding) string { return h.On }},
		{"expires", false, func(h wire.Holding) string { return when(h.Expires) }},
	})
}
