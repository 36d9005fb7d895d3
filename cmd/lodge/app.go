package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"lodge/inventory"
	"lodge/web/client"
)

// commands is every command of the program, one file each.
func commands() []*cli.Command {
	return slices.Concat(createCommands(), listCommands(), powerCommands(), trashCommands(),
		settingCommands(),
		factCommands(), historyCommands(), editCommands(), snapshotCommands(), execCommands(), sessionCommands(),
		fileCommands(), waitCommands(), topCommands(), imageCommands(), importCommands(), operationCommands(), changeCommands(),
		auditCommands(), evidenceCommands(), eventCommands(), hostCommands(), networkCommands(), addressCommands(), poolCommands(), configCommands(), inventoryCommands(), sshConfigCommands(), sshCommands(), doctorCommands(),
		dialCommands(), affinityCommands(), windowCommands(), dnsCommands(), firewallCommands(), forwardCommands(), policyCommands(), deviceCommands(), volumeCommands(),
		userCommands(), groupCommands(), keyCommands(), roleCommands(), tokenCommands(), secretCommands(),
		projectCommands(), quotaCommands(), leaseCommands(), sudoCommands(), moveCommands(), applyCommands(),
		manualCommands())
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
	app := &cli.App{
		Name: "lodge", HelpName: "lodge", Usage: "run OS containers the way good companies run virtual machines",
		UsageText: "lodge [global options] command [command options] [names]; flags may stand after names too",
		Version:   version, Reader: in, Writer: out, ErrWriter: errs, Commands: commands(),
		EnableBashCompletion: true, HideHelpCommand: true, DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "host", EnvVars: []string{"LODGE_HOST"},
				Usage: "the agent's `ADDRESS`: unix:PATH, ssh://user@host, or a name of 'lodge host list'"},
			&cli.StringFlag{Name: "project", EnvVars: []string{"LODGE_PROJECT"},
				Usage: "the `PROJECT` to work in"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"},
				EnvVars: []string{"LODGE_OUTPUT"}, Value: "table",
				Usage: "`FORMAT`: table, wide, json, yaml or csv"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"},
				Usage: "print nothing but what was asked for"},
			cli.HelpFlag, // added by itself only where the help command is urfave/cli's own
		},
		Before:                checkGlobals,
		ExitErrHandler:        func(*cli.Context, error) {}, // run decides
		OnUsageError:          usageError,
		CustomAppHelpTemplate: cli.AppHelpTemplate + exitCodes,
	}
	for _, cmd := range app.Commands {
		prepare(cmd, cmd.Name)
	}
	return app
}

// prepare gives a command and those below it what all of them have.
func prepare(cmd *cli.Command, path string) {
	cmd.HideHelpCommand = true // a container may be called help
	cmd.OnUsageError = usageError
	explain(cmd, path)
	if do := cmd.Action; do != nil && cmd.ArgsUsage == "" {
		cmd.Action = func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("'lodge %s' takes no names, and got %q", path, c.Args().First())
			}
			return do(c)
		}
	}
	for _, sub := range cmd.Subcommands {
		prepare(sub, path+" "+sub.Name)
	}
}

func usageError(_ *cli.Context, err error, _ bool) error { return usage("%v", err) }

func checkGlobals(c *cli.Context) error {
	if c.String("output") == "" { // an environment variable that is set to nothing
		return c.Set("output", "table")
	}
	if f := c.String("output"); !slices.Contains([]string{"table", "wide", "json", "yaml", "csv"}, f) {
		return usage("%q is no output format; it is one of table, wide, json, yaml, csv", f)
	}
	return nil
}

// dial returns a client for the agent the caller means.
func dial(c *cli.Context) (*client.Client, error) {
	api, err := dialHost(c.String("host"))
	if err == nil && c.Bool(breakGlass) {
		api.BreakGlass()
	}
	return api, err
}

// breakGlass is the flag of everything that policies may refuse.
const breakGlass = "break-glass"

func breakGlassFlag() cli.Flag {
	return &cli.BoolFlag{Name: breakGlass, Usage: "as root on the host: pass whatever policies of the site ask for; needs --reason and is flagged in the audit journal"}
}

// read calls do with a client, and closes it.
func read[T any](c *cli.Context, do func(*client.Client) (T, error)) (T, error) {
	api, err := dial(c)
	if err != nil {
		var none T
		return none, err
	}
	defer api.Close()
	return do(api)
}

// readFile reads so many bytes at most of a file that was named, "-" being standard input.
func readFile(c *cli.Context, name string, most int64) ([]byte, error) {
	in := io.NopCloser(c.App.Reader)
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, inventory.Errorf(inventory.ErrNotFound, "there is no file %s", name)
		}
		if err != nil {
			return nil, err
		}
		in = f
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, most))
}

// project is the one the caller means.
func project(c *cli.Context) string {
	if p := c.String("project"); p != "" {
		return p
	}
	return inventory.DefaultProject
}

// allProjects is the flag of lists that are not only of the project the caller means.
func allProjects() cli.Flag {
	return &cli.BoolFlag{Name: "all-projects", Aliases: []string{"A"}, Usage: "of every project"}
}

// listed is the project a list is of; "" for every project.
func listed(c *cli.Context) string {
	if c.Bool("all-projects") {
		return ""
	}
	return project(c)
}

// ref reads a container's name within the project the caller means.
func ref(c *cli.Context, name string) inventory.Ref {
	if strings.Contains(name, "/") {
		return inventory.ParseRef(name)
	}
	return inventory.Ref{Project: project(c), Name: name}
}

// named returns the names a command has to be given.
func named(c *cli.Context) ([]string, error) {
	if c.NArg() == 0 {
		return nil, usage("%s needs at least one name", commandName(c))
	}
	return once(c.Args().Slice()), nil
}

// once drops names that are given again: they would find themselves busy.
func once(names []string) (out []string) {
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// commandName is how the command was called: "snapshot create".
func commandName(c *cli.Context) string {
	return strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ")
}

// duration reads a flag like 30s, 12h or 7d; zero if it was not given.
func duration(c *cli.Context, flag string) (time.Duration, error) {
	text := c.String(flag)
	if text == "" {
		return 0, nil
	}
	d, err := inventory.ParseDuration(text)
	if err != nil {
		return 0, usage("--%s: %v", flag, err)
	}
	return d, nil
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
	if err == nil {
		return inventory.ExitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return inventory.ExitInterrupted
	}
	if !errors.As(err, new(codeError)) {
		complain(errs, err)
	}
	return codeOf(err)
}

// codeOf returns the exit code of an error.
func codeOf(err error) int {
	var code codeError
	if errors.As(err, &code) {
		return int(code)
	}
	if k, ok := inventory.Kind(err); ok {
		return k.Exit
	}
	return inventory.ExitFailure
}

// complain writes an error as one line.
func complain(errs io.Writer, err error) {
	fmt.Fprintln(errs, "lodge:", printable(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")))
}

// isTerminal reports whether a stream of the app is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
