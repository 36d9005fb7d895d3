package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func changeCommands() []*cli.Command {
	note := func(more ...cli.Flag) []cli.Flag {
		return append(more, &cli.StringFlag{Name: "note", Usage: "`TEXT` the requester sees"})
	}
	on := func(name, usage string, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: "CHANGE", Action: action, Flags: flags,
			BashComplete: completeChanges}
	}
	return []*cli.Command{{Name: "change", Category: "Work", Usage: "plans that wait for others",
		Description: "A change is known by its number: lodge change approve 42",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list changes", Action: listChanges,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "state", Value: string(client.Waiting), Usage: "only those in `STATE`; all for every one"},
					&cli.StringFlag{Name: "class", Usage: "only those of `CLASS`: standard, normal, emergency"}}},
			on("show", "the exact plan of one, and who has agreed", showChange,
				&cli.IntFlag{Name: "signature", Usage: "write the signature of approval `N`, for ssh-keygen -Y verify"},
				&cli.StringFlag{Name: "to", Value: ".", Usage: "write it into `DIR`"}),
			on("diff", "what it would do, and whether that would be another plan now", diffChange),
			on("approve", "agree to exactly what is planned; it runs when enough have", approve,
				note(&cli.StringFlag{Name: "key", Usage: "sign with the private SSH key in `FILE` instead of ssh-agent's"})...),
			on("withdraw", "take back one's approval before it runs", decision("withdraw"), note()...),
			on("reject", "end it", decision("reject"), note()...),
			on("cancel", "take back a change of one's own", decision("cancel"), note()...),
			on("review", "say what one makes of an emergency change, and close it", decision("review"), note()...),
			on("close", "say that one has seen how it ended", decision("close"), note()...),
			{Name: "submit", Usage: "ask for what was kept as a draft", ArgsUsage: "CHANGE",
				Action: releaseChange, Flags: mutationFlags(), BashComplete: completeChanges},
			{Name: "release", Usage: "let one begin that has all it waited for; it does by itself", ArgsUsage: "CHANGE",
				Action: releaseChange, Flags: mutationFlags(), BashComplete: completeChanges},
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
			Class: inventory.ChangeClass(c.String("class")), Cursor: cursor})
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Change]{
		{"change", false, changeNumber},
		{"state", false, func(h wire.Change) string { return string(h.State) }},
		{"class", false, func(h wire.Change) string { return string(h.Class) }},
		{"verb", false, func(h wire.Change) string { return h.Plan.Verb }},
		{"name", false, func(h wire.Change) string { return h.Name }},
		{"by", false, func(h wire.Change) string { return h.Requester.Name }},
		{"needs", false, func(h wire.Change) string { return strings.Join(h.Missing, ", ") }},
		{"review", false, reviewText},
		{"begins", false, func(h wire.Change) string { return when(h.Release) }},
		{"reason", false, func(h wire.Change) string { return h.Reason }},
		{"created", false, func(h wire.Change) string { return when(h.CreatedAt) }},
		{"id", true, func(h wire.Change) string { return string(h.ID) }},
	})
}

// reviewText says how a change's review stands; "" for one that has none.
func reviewText(h wire.Change) string {
	switch {
	case h.Review == nil:
		return ""
	case !h.Review.At.IsZero():
		return "by " + h.Review.By + " at " + when(h.Review.At)
	case time.Now().After(h.Review.Due):
		return "overdue since " + when(h.Review.Due)
	}
	return "due " + when(h.Review.Due)
}

func changeNumber(h wire.Change) string { return fmt.Sprint(h.Number) }

// withChange calls do with the change a command was given.
func withChange(c *cli.Context, do func(api *client.Client, id inventory.ChangeID) error) error {
	if c.NArg() != 1 {
		return usage("change %s needs the number of one change", c.Command.Name)
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
		if c.IsSet("signature") {
			return exportSignature(c, h)
		}
		if structured(c) {
			return printValue(c, h)
		}
		printFields(c.App.Writer, []field{{"change", changeNumber(h)}, {"id", string(h.ID)}, {"state", string(h.State)},
			{"class", string(h.Class)}, {"by", h.Requester.Name}, {"reason", h.Reason},
			{"ticket", h.Ticket}, {"needs", strings.Join(h.Needs, ", ")}, {"missing", strings.Join(h.Missing, ", ")},
			{"begins", when(h.Release)}, {"review", reviewText(h)}, {"note", h.Note}, {"created", when(h.CreatedAt)}, {"decided", when(h.DecidedAt)},
			{"operation", string(h.Operation)}})
		for i, a := range h.Approvals {
			fmt.Fprintf(c.App.Writer, "approval %d   %s\n", i+1, printable(approvalLine(a)))
		}
		fmt.Fprintln(c.App.Writer)
		return printPlan(c, &h.Plan, h.Name)
	})
}

func diffChange(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		d, err := api.ChangeDiff(c.Context, id)
		if err != nil {
			return err
		}
		if structured(c) {
			return printValue(c, d)
		}
		for _, e := range d.Planned.Effects {
			printEffect(c.App.Writer, e)
		}
		switch {
		case !d.Moved:
			fmt.Fprintln(c.App.Writer, "as it would be planned now")
		case d.Now == nil:
			fmt.Fprintln(c.App.Writer, printable("now there would be no plan: "+d.Why))
		default:
			fmt.Fprintf(c.App.Writer, "planned for revision %d and policies %s; now, for revision %d and policies %s:\n",
				d.Planned.Base, d.Planned.Policy, d.Now.Base, d.Now.Policy)
			for _, e := range d.Now.Effects {
				printEffect(c.App.Writer, e)
			}
		}
		return nil
	})
}

func approvalLine(a wire.Approval) string {
	line := a.Principal.Name + " at " + when(a.At)
	switch {
	case !a.Withdrawn.IsZero():
		line += ", withdrawn at " + when(a.Withdrawn)
	case !a.Expires.IsZero():
		line += ", until " + when(a.Expires)
	}
	if a.Signature != nil {
		line += ", signed with " + a.Signature.Fingerprint
	}
	if a.Note != "" {
		line += ": " + a.Note
	}
	return line
}

func approve(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		args, err := signed(c, api, id)
		if err != nil {
			return err
		}
		a, err := api.Approve(c.Context, id, args, client.Options{})
		if err != nil {
			return err
		}
		return settleChange(c, api, a)
	})
}

// settleChange follows what a change has begun, or says what it waits for.
func settleChange(c *cli.Context, api *client.Client, a client.Answer) error {
	if a.Operation == nil {
		return printDecided(c, *a.Change)
	}
	op, err := follow(c, api, *a.Operation, false)
	if err != nil {
		return err
	}
	return printEnded(c, op)
}

// printDecided says where a change stands now. What can't come about any more has failed.
func printDecided(c *cli.Context, h wire.Change) error {
	if structured(c) {
		if err := printValue(c, h); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(c.App.Writer, printable(changeLine(h)))
	}
	if h.State == inventory.ChangeVoid || h.State == inventory.ChangeExpired {
		return codeError(1)
	}
	return nil
}

// changeLine is a change in a sentence: "change 42 is scheduled and begins at ...".
func changeLine(h wire.Change) string {
	line := fmt.Sprintf("change %d is %s", h.Number, h.State)
	switch {
	case h.State == inventory.ChangeScheduled && !h.Release.IsZero():
		return line + " and begins at " + when(h.Release)
	case h.State == inventory.ChangeSubmitted && len(h.Missing) > 0:
		return line + " and needs " + strings.Join(h.Missing, ", ")
	case h.Note != "":
		return line + ": " + h.Note
	}
	return line
}

// heldLine is what whoever asked is told of a plan that waits.
func heldLine(h wire.Change) string {
	name := h.Name
	if name == "" {
		name = h.Plan.Verb
	}
	switch {
	case h.State == inventory.ChangeDraft:
		return fmt.Sprintf("%s: kept as change %d, a draft; 'lodge change submit %d' asks for it", name, h.Number, h.Number)
	case h.State == inventory.ChangeScheduled && !h.Release.IsZero():
		return fmt.Sprintf("%s: held as change %d, begins at %s", name, h.Number, when(h.Release))
	}
	return fmt.Sprintf("%s: held as change %d, needs %s", name, h.Number, strings.Join(h.Missing, ", "))
}

// decision makes the command of a decision that releases nothing.
func decision(how string) cli.ActionFunc {
	return func(c *cli.Context) error {
		return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
			h, err := api.Decide(c.Context, id, how, c.String("note"))
			if err != nil {
				return err
			}
			return printDecided(c, h)
		})
	}
}

func releaseChange(c *cli.Context) error {
	return withChange(c, func(api *client.Client, id inventory.ChangeID) error {
		a, err := api.ReleaseChange(c.Context, id, options(c))
		if err != nil {
			return err
		}
		if a.Plan != nil {
			return printPlan(c, a.Plan, "change "+c.Args().First())
		}
		op, err := follow(c, api, *a.Operation, false)
		if err == nil {
			err = op.Err()
		}
		if err != nil {
			return err
		}
		var result inventory.ReleaseResult
		if json.Unmarshal(op.Result, &result) == nil && result.Operation != "" {
			op, err := api.Operation(c.Context, result.Operation)
			if err != nil {
				return err
			}
			return settleChange(c, api, client.Answer{Operation: &op})
		}
		h, err := api.Change(c.Context, id)
		if err != nil {
			return err
		}
		return printDecided(c, h)
	})
}
