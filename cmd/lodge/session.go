package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/manager/session/stream"
	"lodge/web/client"
	"lodge/web/wire"
)

func sessionCommands() []*cli.Command {
	user := func() cli.Flag {
		return &cli.StringFlag{Name: "user", Usage: "`USER` inside the container; root if not given"}
	}
	tty := []cli.Flag{user(),
		&cli.StringFlag{Name: "cwd", Usage: "`FOLDER` to run in"},
		&cli.StringSliceFlag{Name: "setenv", Usage: "`KEY=VALUE`, may be repeated"},
		&cli.BoolFlag{Name: "t", Usage: "with a terminal; the default on one"},
		&cli.BoolFlag{Name: "T", Usage: "without a terminal"},
		&cli.StringFlag{Name: "reason", Usage: "why, kept in the audit journal: `TEXT`"}}
	return []*cli.Command{
		{Name: "exec", Category: "Access", Usage: "run a command in a container", ArgsUsage: "NAME -- CMD...", Flags: tty, Action: exec, BashComplete: completeContainers,
			Description: "The exit code is the command's own, 128+N if signal N killed it. Before it ran: 125 Lodge's own failure, 126 not executable, 127 not found.\nExample: lodge exec web1 -- apt-get update"},
		{Name: "shell", Category: "Access", Usage: "a login shell in a container", ArgsUsage: "NAME",
			Flags: []cli.Flag{user(), &cli.StringFlag{Name: "reason", Usage: "why: `TEXT`"}}, Action: shell, BashComplete: completeContainers},
		{Name: "console", Category: "Access", Usage: "the container's own terminal; leave it with Ctrl-a q", ArgsUsage: "NAME", Action: console, BashComplete: completeContainers,
			Flags: []cli.Flag{&cli.BoolFlag{Name: "log", Usage: "print what was written to it, from before the agent started"},
				&cli.BoolFlag{Name: "read-only", Usage: "watch without typing"}, &cli.StringFlag{Name: "reason", Usage: "why: `TEXT`"}}},
		{Name: "session", Category: "Access", Usage: "who is in, and who was", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list sessions", Action: listSessions, Flags: []cli.Flag{&cli.BoolFlag{Name: "live", Usage: "only those that run"}}},
			{Name: "show", Usage: "everything about one", ArgsUsage: "ID", Action: showSession},
			{Name: "attach", Usage: "go on with one whose connection was lost", ArgsUsage: "ID", Action: func(c *cli.Context) error { return attachByID(c, false) }},
			{Name: "watch", Usage: "look on without typing", ArgsUsage: "ID", Action: func(c *cli.Context) error { return attachByID(c, true) }},
			{Name: "end", Usage: "kill one's processes", ArgsUsage: "ID", Action: endSession},
		}},
	}
}

// exec runs the command after "--".
func exec(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 2 {
		return usage("exec needs NAME and a command after --, like: lodge exec web1 -- uptime")
	}
	command := args[1:]
	if command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return usage("exec needs a command after --")
	}
	env, err := pairs("--setenv", c.StringSlice("setenv"))
	if err != nil {
		return err
	}
	withTTY := c.Bool("t") || !c.Bool("T") && isTerminal(c.App.Reader) && isTerminal(c.App.Writer)
	return enter(c, args[0], wire.SessionRequest{Kind: inventory.SessionExec, SessionArgs: inventory.SessionArgs{
		Command: command, User: c.String("user"), Dir: c.String("cwd"), Env: env, TTY: withTTY, Stdin: true}}, 0)
}

func shell(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("shell needs the name of a container")
	}
	return enter(c, c.Args().First(), wire.SessionRequest{Kind: inventory.SessionShell,
		SessionArgs: inventory.SessionArgs{User: c.String("user"), TTY: isTerminal(c.App.Reader), Stdin: true}}, 0)
}

// consoleEscape is Ctrl-a, as in screen and `lxc-console`; followed by q it leaves.
const consoleEscape = 1

func console(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("console needs the name of a container")
	}
	if c.Bool("log") {
		return consoleLog(c)
	}
	escape := byte(consoleEscape)
	return enter(c, c.Args().First(), wire.SessionRequest{Kind: inventory.SessionConsole,
		SessionArgs: inventory.SessionArgs{TTY: true, Stdin: !c.Bool("read-only")}}, escape)
}

// enter opens a session and stays in it to its end.
func enter(c *cli.Context, name string, request wire.SessionRequest, escape byte) error {
	api, err := dial(c)
	if err != nil {
		return notRun(c, err)
	}
	defer api.Close()
	if request.TTY {
		size := terminalSize()
		request.Columns, request.Rows, request.Term = int(size.Columns), int(size.Rows), os.Getenv("TERM")
	}
	s, err := api.OpenSession(c.Context, ref(c, name), request, client.Options{Reason: c.String("reason")})
	if err != nil {
		return notRun(c, err)
	}
	return stay(c, api, s, c.Bool("read-only"), escape)
}

// notRun says why a command never ran. Refusals keep their own codes, so that a script can tell a
// missing container from a missing command.
func notRun(c *cli.Context, err error) error {
	if kind, ok := inventory.Kind(err); ok && kind.Err != inventory.ErrUnavailable {
		return err
	}
	printError(c, err)
	return codeError(inventory.ExitNotRun)
}

func attachByID(c *cli.Context, readOnly bool) error {
	if c.NArg() != 1 {
		return usage("session %s needs the id of a session; 'lodge session list --live' shows them", c.Command.Name)
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

func listSessions(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	all, err := client.Pages(func(cursor string) (wire.Page[wire.Session], error) {
		return api.Sessions(c.Context, client.SessionQuery{Live: c.Bool("live"), Cursor: cursor})
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
	printFields(c.App.Writer, []field{{"id", string(s.ID)}, {"kind", string(s.Kind)}, {"container", s.Name}, {"by", s.Principal.Name},
		{"from", s.Principal.From}, {"command", s.Command}, {"started", when(s.StartedAt)}, {"ended", when(s.EndedAt)}, {"result", sessionResult(s)}})
	return nil
}

// ended turns how a command ended into how we end.
func ended(c *cli.Context, e stream.Exit) error {
	if e.Message != "" {
		printError(c, inventory.Errorf(inventory.ErrUnavailable, "%s", e.Message))
	}
	if e.Code == 0 {
		return nil
	}
	return codeError(e.Code)
}
