package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sessionCommands() []*cli.Command {
	attach := func(readOnly bool) cli.ActionFunc {
		return func(c *cli.Context) error { return attachByID(c, readOnly) }
	}
	return []*cli.Command{{Name: "session", Category: "Access", Usage: "who is in, and who was",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list sessions", Action: listSessions,
				Flags: []cli.Flag{&cli.BoolFlag{Name: "live", Usage: "only those that run"}}},
			{Name: "show", Usage: "everything about one", ArgsUsage: "ID", Action: showSession,
				BashComplete: completeSessions},
			{Name: "attach", Usage: "go on with one whose connection was lost", ArgsUsage: "ID",
				Action: attach(false), BashComplete: completeSessions},
			{Name: "watch", Usage: "look on without typing; leave it with Ctrl-a q", ArgsUsage: "ID",
				Action: attach(true), BashComplete: completeSessions},
			replayCommand(), castCommand(),
			{Name: "end", Usage: "kill one's processes", ArgsUsage: "ID", Action: endSession,
				BashComplete: completeSessions},
		}}}
}

func attachByID(c *cli.Context, readOnly bool) error {
	if c.NArg() != 1 {
		return usage("session %s needs the id of a session; 'lodge session list --live' shows them",
			c.Command.Name)
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	s, err := api.Session(c.Context, inventory.SessionID(c.Args().First()))
	if err != nil {
		return err
	}
	if !s.EndedAt.IsZero() {
		return inventory.Errorf(inventory.ErrState, "session %s ended %s ago", s.ID, ago(s.EndedAt))
	}
	return stay(c, api, s, readOnly, consoleEscape)
}

func sessions(ctx context.Context, api *client.Client, live bool) ([]wire.Session, error) {
	return client.Pages(func(cursor string) (wire.Page[wire.Session], error) {
		return api.Sessions(ctx, client.SessionQuery{Live: live, Cursor: cursor})
	})
}

func listSessions(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Session,
		error) {
		return sessions(c.Context, api, c.Bool("live"))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Session]{
		{"id", false, func(s wire.Session) string { return string(s.ID) }},
		{"kind", false, func(s wire.Session) string { return string(s.Kind) }},
		{"name", false, func(s wire.Session) string { return s.Name }},
		{"by", false, func(s wire.Session) string { return s.Principal.Name }},
		{"command", false, func(s wire.Session) string { return s.Command }},
		{"started", false, func(s wire.Session) string { return when(s.StartedAt) }},
		{"ended", false, func(s wire.Session) string { return when(s.EndedAt) }},
		{"result", false, sessionResult},
	})
}

func sessionResult(s wire.Session) string {
	if s.EndedAt.IsZero() {
		return "live"
	}
	return strings.TrimSpace(s.Result + " " + strconv.Itoa(s.ExitCode))
}

func showSession(c *cli.Context) error {
	return withSession(c, func(api *client.Client, id inventory.SessionID) (wire.Session, error) {
		return api.Session(c.Context, id)
	})
}

func endSession(c *cli.Context) error {
	return withSession(c, func(api *client.Client, id inventory.SessionID) (wire.Session, error) {
		return api.EndSession(c.Context, id)
	})
}

func withSession(c *cli.Context, do func(*client.Client, inventory.SessionID) (wire.Session, error)) error {
	if c.NArg() != 1 {
		return usage("session %s needs the id of a session", c.Command.Name)
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	s, err := do(api, inventory.SessionID(c.Args().First()))
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, s)
	}
	printFields(c.App.Writer, []field{{"id", string(s.ID)}, {"kind", string(s.Kind)},
		{"container", s.Name}, {"by", s.Principal.Name},
		{"from", s.Principal.From}, {"command", s.Command}, {"started", when(s.StartedAt)}, {"ended", when(s.EndedAt)}, {"result", sessionResult(s)}})
	return nil
}
