package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func operationCommands() []*cli.Command {
	return []*cli.Command{{Name: "operation", Aliases: []string{"op"}, Category: "Work",
		Usage: "what is being done, and how it went", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the latest operations", Flags: []cli.Flag{
				&cli.IntFlag{Name: "limit", Value: 50,
					Usage: "at most `N`"}, &cli.StringFlag{Name: "state", Usage: "only those in `STATE`; all for every one (the default)"},
				&cli.StringFlag{Name: "verb", Usage: "only of `VERB`: container.start"}}, Action: listOperations},
			{Name: "show", Usage: "everything about one", ArgsUsage: "ID", Action: showOperation,
				BashComplete: completeOperations},
			{Name: "wait", Usage: "wait for the end of operations", ArgsUsage: "ID...",
				Action: waitOperations, BashComplete: completeOperations,
				Flags: []cli.Flag{&cli.StringFlag{Name: "timeout", Aliases: []string{"wait-timeout"}, Usage: "stop waiting after `DURATION`"}}},
			{Name: "cancel", Usage: "stop operations and undo what they did", ArgsUsage: "ID...",
				Action: cancelOperations, BashComplete: completeOperations},
		}}}
}

func listOperations(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	state := c.String("state")
	if state == "all" {
		state = ""
	}
	page, err := api.Operations(c.Context, client.OperationQuery{Limit: c.Int("limit"), Project: c.String("project"),
		Verb: c.String("verb"), State: inventory.OperationState(state)})
	if err != nil {
		return err
	}
	return printList(c, page.Items, []column[wire.Operation]{
		{"id", false, func(o wire.Operation) string { return string(o.ID) }},
		{"verb", false, func(o wire.Operation) string { return o.Verb }},
		{"name", false, func(o wire.Operation) string { return o.Name }},
		{"state", false, func(o wire.Operation) string { return string(o.State) }},
		{"by", false, func(o wire.Operation) string { return o.Principal.Name }},
		{"started", false, func(o wire.Operation) string { return when(o.StartedAt) }},
		{"took", false, took},
		{"error", false, func(o wire.Operation) string { return o.Error }},
		{"reason", true, func(o wire.Operation) string { return o.Reason }},
	})
}

func took(o wire.Operation) string {
	if o.EndedAt.IsZero() {
		return ""
	}
	return o.EndedAt.Sub(o.StartedAt).Round(1e6).String()
}

func showOperation(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("operation show needs the id of one operation")
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	o, err := api.Operation(c.Context, inventory.OperationID(c.Args().First()))
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, o)
	}
	step := ""
	if o.Step < len(o.Steps) && !o.State.IsEnded() {
		step = o.Steps[o.Step]
	}
	printFields(c.App.Writer, []field{{"id", string(o.ID)}, {"verb", o.Verb}, {"name", o.Name},
		{"state", string(o.State)},
		{"step", step}, {"progress", o.Progress}, {"error", o.Error}, {"by",
			o.Principal.Name}, {"reason", o.Reason}, {"ticket", o.Ticket},
		{"steps", strings.Join(o.Steps, ", ")}, {"parameters", string(o.Parameters)}, {"result",
			string(o.Result)},
		{"started", when(o.StartedAt)}, {"ended", when(o.EndedAt)}, {"took", took(o)}})
	return nil
}

func waitOperations(c *cli.Context) error {
	return eachOperation(c, func(api *client.Client, id inventory.OperationID) error {
		op, err := api.Operation(c.Context, id)
		if err == nil {
			op, err = follow(c, api, op, c.NArg() > 1)
		}
		if err != nil {
			return err
		}
		return printEnded(c, op)
	})
}

// printEnded says how an operation ended; what it failed with is the error.
func printEnded(c *cli.Context, op wire.Operation) error {
	if err := op.Err(); err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, op)
	}
	fmt.Fprintf(c.App.Writer, "%s %s is %s\n", op.Verb, op.Name, op.State)
	return nil
}

func cancelOperations(c *cli.Context) error {
	return eachOperation(c, func(api *client.Client, id inventory.OperationID) error {
		if _, err := api.Cancel(c.Context, id); err != nil {
			return err
		}
		op, err := api.Wait(c.Context, id)
		if err == nil {
			fmt.Fprintf(c.App.Writer, "%s %s is %s\n", op.Verb, op.Name, op.State)
		}
		return err
	})
}

func eachOperation(c *cli.Context, do func(*client.Client, inventory.OperationID) error) error {
	ids, err := named(c)
	if err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	results := make([]error, len(ids))
	for i, id := range ids {
		results[i] = do(api, inventory.OperationID(id))
	}
	return firstOf(c, ids, results)
}
