package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder moves flags that stand after names to before them. urfave/cli v2 stops reading flags at
// the first name, so that `lodge delete web1 --plan` would delete web1 and a container called
// "--plan" (its issues 950 and 1177: by design). What follows "--" is left alone. A command with
// SkipFlagParsing gets its arguments as they are.
func reorder(app *cli.App, argv []string) ([]string, error) {
	if slices.Contains(argv, "--generate-bash-completion") {
		return argv, nil
	}
	out := argv[:1:1]
	level, flags := app.Commands, app.Flags
	var tail []string
	rest := argv[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			return join(out, tail, rest, true), nil
		case strings.HasPrefix(arg, "-") && arg != "-":
			out = append(out, arg)
			if takesValue(flags, arg) && len(rest) > 0 {
				out, rest = append(out, rest[0]), rest[1:]
			}
		default:
			if cmd := find(level, arg); cmd != nil && len(tail) == 0 {
				out, level = append(out, arg), cmd.Subcommands
				flags = append(slices.Clone(app.Flags), cmd.Flags...)
				continue
			}
			tail = append(tail, arg)
			level = nil
		}
	}
	return globalsFirst(app, join(out, tail, nil, false)), nil
}

func join(out, tail, rest []string, dashes bool) []string {
	out = append(out, tail...)
	if dashes {
		out = append(append(out, "--"), rest...)
	}
	return out
}

// globalsFirst moves the program's own flags before the command, where urfave/cli wants them.
func globalsFirst(app *cli.App, args []string) []string {
	out, globals := args[:1:1], []string{}
	for i := 1; i < len(args); i++ {
		if args[i] == "--" {
			out = append(out, args[i:]...)
			break
		}
		if !strings.HasPrefix(args[i], "-") || !isFlagOf(app.Flags, args[i]) {
			out = append(out, args[i])
			continue
		}
		globals = append(globals, args[i])
		if takesValue(app.Flags, args[i]) && i+1 < len(args) {
			i++
			globals = append(globals, args[i])
		}
	}
	return slices.Insert(out, 1, globals...)
}

func find(level []*cli.Command, name string) *cli.Command {
	for _, c := range level {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func flagName(arg string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name
}

func isFlagOf(flags []cli.Flag, arg string) bool {
	return slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), flagName(arg)) })
}

// takesValue reports whether arg is a flag whose value is the next argument.
func takesValue(flags []cli.Flag, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	for _, f := range flags {
		if slices.Contains(f.Names(), flagName(arg)) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}
