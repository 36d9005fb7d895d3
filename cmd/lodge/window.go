package main

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func windowCommands() []*cli.Command {
	return []*cli.Command{{Name: "window", Category: "Work", Usage: "when containers may be changed, and when not",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "windows and freezes, and when they open", Action: listWindows},
			{Name: "show", Usage: "one of them", ArgsUsage: "NAME", Action: showWindow},
			{Name: "create", Usage: "add one, or replace the one of its name", ArgsUsage: "NAME",
				Description: "What changes a container of the filter is held until one of its windows opens. In a freeze it is\n" +
					"refused; what was asked for before waits for its end.",
				Flags: mutationFlags(
					&cli.StringFlag{Name: "schedule", Usage: "`HOURS` of the week it is open, like 'sat 02:00-06:00'"},
					&cli.StringFlag{Name: "tz", Usage: "the schedule's time `ZONE`, like Europe/Berlin; UTC without one"},
					&cli.StringFlag{Name: "from", Usage: "not before `TIME`"},
					&cli.StringFlag{Name: "until", Usage: "not from `TIME` on"},
					&cli.StringFlag{Name: "filter", Usage: "only containers of `FILTER`, like 'env=prod'"},
					&cli.StringFlag{Name: "verbs", Usage: "only these `VERBS`, separated by spaces; sessions have to be named"},
					&cli.BoolFlag{Name: "freeze", Usage: "containers may not be changed while it is open"}),
				Action: createWindow},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "remove one", ArgsUsage: "NAME...", Flags: mutationFlags(),
				Action: removeWindows},
		}}}
}

func windowState(w wire.Window) string {
	switch {
	case w.Open && w.Closes.IsZero():
		return "open"
	case w.Open:
		return "open until " + when(w.Closes)
	case w.Opens.IsZero():
		return "over"
	}
	return "opens at " + when(w.Opens)
}

func listWindows(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Window, error) { return api.Windows(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Window]{
		{"name", false, func(w wire.Window) string { return w.Name }},
		{"freeze", false, func(w wire.Window) string { return yes(w.Freeze) }},
		{"schedule", false, func(w wire.Window) string { return w.Schedule }},
		{"from", true, func(w wire.Window) string { return when(w.From) }},
		{"until", true, func(w wire.Window) string { return when(w.Until) }},
		{"filter", false, func(w wire.Window) string { return w.Filter }},
		{"verbs", true, func(w wire.Window) string { return strings.Join(w.Verbs, " ") }},
		{"state", false, windowState},
		{"reason", true, func(w wire.Window) string { return w.Reason }},
	})
}

func showWindow(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("window show needs the name of one window")
	}
	w, err := read(c, func(api *client.Client) (wire.Window, error) { return api.Window(c.Context, c.Args().First()) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, w)
	}
	printFields(c.App.Writer, []field{{"name", w.Name}, {"freeze", yes(w.Freeze)}, {"schedule", w.Schedule},
		{"from", when(w.From)}, {"until", when(w.Until)}, {"filter", w.Filter}, {"verbs", strings.Join(w.Verbs, " ")},
		{"state", windowState(w)}, {"reason", w.Reason}, {"created", when(w.CreatedAt)}})
	return nil
}

func createWindow(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("window create needs a name, like: lodge window create nights --schedule 'sat 02:00-06:00' --tz Europe/Berlin")
	}
	args := inventory.WindowArgs{Name: c.Args().First(), Schedule: c.String("schedule"), Zone: c.String("tz"),
		Filter: c.String("filter"), Verbs: strings.Fields(c.String("verbs")), Freeze: c.Bool("freeze")}
	for flag, to := range map[string]*time.Time{"from": &args.From, "until": &args.Until} {
		if text := c.String(flag); text != "" {
			at, err := inventory.ParseTime(text, time.Now())
			if err != nil {
				return usage("--%s: %v", flag, err)
			}
			*to = at
		}
	}
	return mutateEach(c, []string{args.Name}, is("is a window"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreateWindow(ctx, args, o)
		})
}

func removeWindows(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is no window any more"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.RemoveWindow(ctx, name, o)
		})
}
