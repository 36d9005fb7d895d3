package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/manager/session/recording"
	"lodge/manager/session/stream"
	"lodge/web/wire"
)

func execCommands() []*cli.Command {
	user := func() cli.Flag {
		return &cli.StringFlag{Name: "user", Usage: "`USER` inside the container; root if not given"}
	}
	return []*cli.Command{
		{Name: "exec", Category: "Access", Usage: "run a command in a container",
			ArgsUsage: "NAME -- CMD...", Action: exec, BashComplete: completeContainers,
			Description: "The exit code is the command's own, 128+N if signal N killed it. Before it ran: 125 Lodge's own failure,\n126 not executable, 127 not found.",
			Flags: whyFlags(user(), &cli.StringFlag{Name: "cwd", Usage: "`FOLDER` to run in"},
				&cli.StringSliceFlag{Name: "setenv", Usage: "`KEY=VALUE`, may be repeated"},
				&cli.BoolFlag{Name: "t", Usage: "with a terminal; the default on one"},
				&cli.BoolFlag{Name: "T", Usage: "without a terminal"})},
		{Name: "shell", Category: "Access", Usage: "a login shell in a container",
			ArgsUsage: "NAME", Action: shell, BashComplete: completeContainers,
			Description: "The exit code is the shell's own.", Flags: whyFlags(user())},
		{Name: "console", Category: "Access",
			Usage: "the container's own terminal; leave it with Ctrl-a q", ArgsUsage: "NAME", Action: console, BashComplete: completeContainers,
			Flags: whyFlags(&cli.BoolFlag{Name: "log",
				Usage: "print what was written to it, from before the agent started"},
				&cli.BoolFlag{Name: "read-only", Usage: "watch without typing"})},
	}
}

// exec runs the command after "--".
func exec(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) < 3 || args[1] != "--" {
		return usage("exec needs NAME and a command after --, like: lodge exec web1 -- uptime")
	}
	if c.Bool("t") && c.Bool("T") {
		return usage("give -t or -T, not both")
	}
	env, err := pairs("--setenv", c.StringSlice("setenv"))
	if err != nil {
		return err
	}
	withTTY := c.Bool("t") || !c.Bool("T") && isTerminal(c.App.Reader) && isTerminal(c.App.Writer)
	return enter(c, args[0], wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{
			Command: args[2:], User: c.String("user"), Dir: c.String("cwd"), Env: env, TTY: withTTY, Stdin: true}}, 0)
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
	return enter(c, c.Args().First(), wire.SessionRequest{Kind: inventory.SessionConsole,
		SessionArgs: inventory.SessionArgs{TTY: true, Stdin: !c.Bool("read-only")}}, consoleEscape)
}

func consoleLog(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	log, err := api.ConsoleLog(c.Context, ref(c, c.Args().First()))
	if err != nil {
		return err
	}
	defer log.Close()
	out := c.App.Writer
	if isTerminal(out) { // what the container wrote is not to steer who reads it
		out = recording.NewFilter(out)
		defer restoreTerminal(c)
	}
	_, err = io.Copy(out, log)
	return err
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
	s, err := api.OpenSession(c.Context, ref(c, name), request, why(c))
	if err != nil {
		return notRun(c, err)
	}
	return stay(c, api, s, c.Bool("read-only"), escape)
}

// notRun says why a command never ran. Refusals keep codes of their own, so that a script can tell a
// missing container from a missing command; what would be 1, a failure, is 125: a command ends with 1
// too often.
func notRun(c *cli.Context, err error) error {
	var refused *stream.Error
	if errors.As(err, &refused) {
		if kind, ok := inventory.KindNamed(refused.Kind); ok {
			err = inventory.Errorf(kind.Err, "%s", refused.Message)
		}
	}
	if kind, ok := inventory.Kind(err); ok && kind.Exit != inventory.ExitFailure {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	complain(c.App.ErrWriter, err)
	return codeError(inventory.ExitNotRun)
}

// ended turns how a command ended into how we end.
func ended(c *cli.Context, e stream.Exit) error {
	if e.Message != "" {
		complain(c.App.ErrWriter, errors.New(e.Message))
	}
	if e.Code == 0 {
		return nil
	}
	return codeError(e.Code)
}
