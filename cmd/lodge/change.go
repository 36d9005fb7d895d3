package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func changeCommands() []*cli.Command {
	note := func() []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "note", Usage: "`TEXT` the requester sees"}}
	}
	return []*cli.Command{{Name: "change", Category: "Work", Usage: "plans that wait for others",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list changes", Action: listChanges,
				Flags: []cli.Flag{&cli.StringFlag{Name: "state", Value: "submitted", Usage: "only those in `STATE`; all for every one"}}},
			{Name: "show", Usage: "the exact plan of one", ArgsUsage: "ID", Action: showChange,
				BashComplete: completeChanges},
			{Name: "approve", Usage: "agree to exactly what is planned; it runs when enough have",
				ArgsUsage: "ID", Flags: note(), Action: approve, BashComplete: completeChanges},
			{Name: "reject", Usage: "end it", ArgsUsage: "ID", Flags: note(), Action: reject,
				BashComplete: completeChanges},
			{Name: "cancel", Usage: "withdraw one's own", ArgsUsage: "ID", Flags: note(),
				Action: withdraw, BashComplete: completeChanges},
		}}}
}

func listChanges(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	state := c.String("state")
	if state == "all" {
		state = ""
	}
	all, err := client.Pages(func(cursor string) (wire.Page[wire.Change], error) {
		return api.Changes(c.Context, client.ChangeQuery{State: inventory.ChangeState(state),
			Cursor: cursor})
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Change]{
		{"id", false, func(h wire.Change) string { return string(h.ID) }},
		{"state", false, func(h wire.Change) string { return string(h.State) }},
		{"verb", false, func(h wire.Change) string { return h.Plan.Verb }},
		{"subject", false, func(h wire.Change) string { return h.Plan.Subject }},
		{"by", false, func(h wire.Change) string { return h.Requester.Name }},
		{"needs", false, func(h wire.Change) string { return strings.Join(h.Needs, ", ") }},
		{"reason", false, func(h wire.Change) string { return h.Reason }},
		{"created", false, func(h wire.Change) string { return when(h.CreatedAt) }},
	})
}

// withChange calls do with the id a command was given.
func withChange(c *cli.Context, do func(api *client.Client, id inventory.ChangeID) error) error {
	if c.NArg() != 1 {
		return usage("change %s needs the id of one change", c.Command.Name)
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	return do(api, inventory.ChangeID(c.Args().First()))
}

func showChange(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		h, err := api.Change(c.Context, id)
		if err != nil {
			return err
		}
		if structured(c) {
			return printValue(c, h)
		}
		var agreed []string
		for _, a := range h.Approvals {
			agreed = append(agreed, a.Principal.Name)
		}
		printFields(c.App.Writer, []field{{"id", string(h.ID)}, {"state", string(h.State)},
			{"by", h.Requester.Name}, {"reason", h.Reason},
			{"ticket", h.Ticket}, {"needs", strings.Join(h.Needs, ", ")}, {"approved by",
				strings.Join(agreed, ", ")}, {"note", h.Note},
			{"created", when(h.CreatedAt)}, {"decided", when(h.DecidedAt)}, {"operation", string(h.Operation)}})
		fmt.Fprintln(c.App.Writer)
		return printPlan(c, &h.Plan, h.Plan.Subject)
	})
}

func approve(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		a, err := api.Approve(c.Context, id, c.String("note"), client.Options{})
		if err != nil {
			return err
		}
		if a.Operation != nil {
			op, err := follow(c, api, *a.Operation, false)
			if err != nil {
				return err
			}
			if err := op.Err(); err != nil {
				return err
			}
			fmt.Fprintf(c.App.Writer, "%s %s is %s\n", op.Verb, op.Name, op.State)
			return nil
		}
		return printDecided(c, *a.Change)
	})
}

func printDecided(c *cli.Context, h wire.Change) error {
	if structured(c) {
		return printValue(c, h)
	}
	fmt.Fprintf(c.App.Writer, "change %s is %s", h.ID, h.State)
	if h.Note != "" {
		fmt.Fprintf(c.App.Writer, ": %s", printable(h.Note))
	}
	fmt.Fprintln(c.App.Writer)
	return nil
}

func reject(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		h, err := api.Reject(c.Context, id, c.String("note"))
		if err != nil {
			return err
		}
		return printDecided(c, h)
	})
}

func withdraw(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		h, err := api.CancelChange(c.Context, id, c.String("note"))
		if err != nil {
			return err
		}
		return printDecided(c, h)
	})
}
