package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"lodge/inventory"
	"lodge/web/client"
)

// exitCodes is the end of every help text.
const exitCodes = `Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 refused, 5 waiting for approval, 6 busy or stale, 130 interrupted`

// commands is every command of the program, one file each.
func commands() []*cli.Command {
	return slices.Concat(createCommands(), listCommands(), powerCommands(), settingCommands(), trashCommands(),
		snapshotCommands(), sessionCommands(), fileCommands(), imageCommands(), operationCommands(), changeCommands(),
		auditCommands(), eventCommands(), hostCommands(), doctorCommands(), manualCommands())
}

// run is the whole program but for its globals; tests call it.
func run(ctx context.Context, argv []string, in io.Reader, out, errs io.Writer) int {
	app := newApp(in, out, errs)
	args, err := reorder(app, argv)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	return exitCode(ctx, err, errs)
}

func newApp(in io.Reader, out, errs io.Writer) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version"}
	return &cli.App{
		Name: "lodge", Usage: "run OS containers the way good companies run virtual machines",
		Version: version, Reader: in, Writer: out, ErrWriter: errs, Commands: commands(),
		EnableBashCompletion: true, Suggest: true, HideHelpCommand: false,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "host", EnvVars: []string{"LODGE_HOST"}, Usage: "the agent's `ADDRESS`: unix:PATH"},
			&cli.StringFlag{Name: "project", EnvVars: []string{"LODGE_PROJECT"}, Usage: "the `PROJECT` to work in"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, EnvVars: []string{"LODGE_OUTPUT"}, Value: "table",
				Usage: "`FORMAT`: table, wide, json, yaml or csv"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but what was asked for"},
		},
		Before:                checkGlobals,
		ExitErrHandler:        func(*cli.Context, error) {}, // run decides
		OnUsageError:          func(_ *cli.Context, err error, _ bool) error { return usage("%v", err) },
		CustomAppHelpTemplate: cli.AppHelpTemplate + "\n" + exitCodes + "\n",
	}
}

func checkGlobals(c *cli.Context) error {
	if f := c.String("output"); !slices.Contains([]string{"table", "wide", "json", "yaml", "csv"}, f) {
		return usage("%q is no output format; it is one of table, wide, json, yaml, csv", f)
	}
	return nil
}

// dial returns a client for the agent the caller means.
func dial(c *cli.Context) (*client.Client, error) { return client.Dial(c.String("host")) }

// ref reads a container's name within the project the caller means.
func ref(c *cli.Context, name string) inventory.Ref {
	r := inventory.ParseRef(name)
	if p := c.String("project"); p != "" && r.Project == inventory.DefaultProject {
		r.Project = p
	}
	return r
}

// usage is an error about how the program was called.
func usage(format string, args ...any) error {
	return inventory.Errorf(inventory.ErrInvalid, format, args...)
}

// A codeError ends the program with a code of its own, having said all there is to say.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode says what went wrong in one line and returns the code for it.
func exitCode(ctx context.Context, err error, errs io.Writer) int {
	var code codeError
	switch {
	case err == nil:
		return inventory.ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return inventory.ExitInterrupted
	}
	fmt.Fprintln(errs, "lodge:", err)
	if k, ok := inventory.Kind(err); ok {
		return k.Exit
	}
	return inventory.ExitFailure
}

// isTerminal reports whether a stream of the app is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
