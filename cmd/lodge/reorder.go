package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A line is a command line in its parts.
type line struct {
	app     *cli.App
	globals []string
	path    []*cli.Command
	flags   []string
	names   []string
	help    bool     // --help was given
	dashes  bool     // "--" was given
	after   []string // what followed it
}

// reorder writes a command line in the one order urfave/cli v2 reads without surprise: the
// program's flags, the command, its flags, "--", names. Left alone it stops reading flags at the
// first name, so that `lodge delete web1 --plan` would delete web1 and a container called "--plan"
// (its issues 950 and 1177: by design). A flag nobody knows, a flag without its value, a command
// there is none of and a name that begins with a dash are refused here.
func reorder(app *cli.App, argv []string) ([]string, error) {
	if slices.Contains(argv, "--generate-bash-completion") {
		return argv, nil
	}
	l := &line{app: app}
	for rest := argv[1:]; len(rest) > 0; {
		arg := rest[0]
		if arg == "--" {
			l.dashes, l.after = true, rest[1:]
			break
		}
		n, err := l.take(arg, rest[1:])
		if err != nil {
			return nil, err
		}
		rest = rest[1+n:]
	}
	return l.join(argv[0])
}

// take sorts one argument into its part and returns how many of the following ones went with it.
func (l *line) take(arg string, rest []string) (taken int, err error) {
	if strings.HasPrefix(arg, "-") && arg != "-" {
		return l.takeFlag(arg, rest)
	}
	level := l.level()
	if len(level) == 0 || len(l.names) > 0 {
		l.names = append(l.names, arg)
		return 0, nil
	}
	cmd := find(level, arg)
	if cmd == nil && l.doesSomething() { // 'ssh web1' beside 'ssh cert'
		l.names = append(l.names, arg)
		return 0, nil
	}
	if cmd == nil {
		return 0, l.noCommand(level, arg)
	}
	l.path = append(l.path, cmd)
	return 0, nil
}

// takeFlag joins a flag with its value, so that a value can never be taken for anything else.
func (l *line) takeFlag(arg string, rest []string) (taken int, err error) {
	name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	flag, to := l.flag(name)
	if flag == nil {
		return 0, l.noFlag(name)
	}
	l.help = l.help || flag == cli.HelpFlag
	if _, isBool := flag.(*cli.BoolFlag); !isBool && !hasValue {
		if len(rest) == 0 || rest[0] == "--" || l.isFlag(rest[0]) {
			return 0, usage("--%s needs a value", flag.Names()[0])
		}
		arg, taken = arg+"="+rest[0], 1
	}
	*to = append(*to, arg)
	return taken, nil
}

// flag finds a flag of the command or of the program, and where it belongs.
func (l *line) flag(name string) (flag cli.Flag, to *[]string) {
	named := func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }
	own, to := l.app.Flags, &l.globals
	if cmd := l.command(); cmd != nil {
		own, to = cmd.Flags, &l.flags
	}
	if i := slices.IndexFunc(own, named); i >= 0 {
		return own[i], to
	}
	if named(cli.HelpFlag) { // of the command: the program's own can't tell about nouns
		return cli.HelpFlag, to
	}
	if i := slices.IndexFunc(l.app.Flags, named); i >= 0 {
		return l.app.Flags[i], &l.globals
	}
	if len(l.path) == 0 && named(cli.VersionFlag) {
		return cli.VersionFlag, to
	}
	return nil, nil
}

func (l *line) isFlag(arg string) bool {
	if !strings.HasPrefix(arg, "--") {
		return false
	}
	name, _, _ := strings.Cut(arg[2:], "=")
	flag, _ := l.flag(name)
	return flag != nil
}

func (l *line) command() *cli.Command {
	if len(l.path) == 0 {
		return nil
	}
	return l.path[len(l.path)-1]
}

// level is what may follow as a command; none once names begin.
func (l *line) level() []*cli.Command {
	if cmd := l.command(); cmd != nil {
		return cmd.Subcommands
	}
	return l.app.Commands
}

// name is how the command is called so far.
func (l *line) name() string {
	words := []string{l.app.Name}
	for _, cmd := range l.path {
		words = append(words, cmd.Name)
	}
	return strings.Join(words, " ")
}

// doesSomething reports whether the command has work of its own beside its subcommands.
func (l *line) doesSomething() bool {
	cmd := l.command()
	return cmd != nil && cmd.Action != nil && len(cmd.Subcommands) > 0
}

// takesCommand says that what follows "--" is a foreign command line.
func takesCommand(cmd *cli.Command) bool {
	return cmd != nil && (cmd.Name == "exec" || cmd.Name == "ssh")
}

// join writes the parts in their order.
func (l *line) join(program string) ([]string, error) {
	cmd := l.command()
	if cmd != nil && cmd.Name == "help" && len(l.path) == 1 {
		return l.helpAbout(program)
	}
	if l.help {
		return helpOf(program, l.path), nil
	}
	out := append([]string{program}, l.globals...)
	for _, cmd := range l.path {
		out = append(out, cmd.Name)
	}
	out = append(out, l.flags...)
	if takesCommand(cmd) {
		if l.dashes {
			l.after = append([]string{"--"}, l.after...)
		}
		return append(append(append(out, "--"), l.names...), l.after...), nil
	}
	names := append(l.names, l.after...)
	if len(names) == 0 {
		return out, nil
	}
	for _, name := range names {
		if strings.HasPrefix(name, "-") && name != "-" {
			return nil, usage("%q begins with a dash; no name does", name)
		}
	}
	if len(l.level()) > 0 && !l.doesSomething() { // lodge -- start web1
		return nil, usage("'%s' needs a command before --", l.name())
	}
	return append(append(out, "--"), names...), nil
}

// helpAbout turns `lodge help snapshot create` into `lodge snapshot create --help`.
func (l *line) helpAbout(program string) ([]string, error) {
	asked := &line{app: l.app}
	for _, word := range append(l.names, l.after...) {
		level := asked.level()
		cmd := find(level, word)
		if cmd == nil && len(level) > 0 {
			return nil, asked.noCommand(level, word)
		}
		if cmd == nil {
			break
		}
		asked.path = append(asked.path, cmd)
	}
	return helpOf(program, asked.path), nil
}

// helpOf leaves out names and flags, which change nothing about a command's help.
func helpOf(program string, path []*cli.Command) []string {
	out := []string{program}
	for _, cmd := range path {
		out = append(out, cmd.Name)
	}
	return append(out, "--help")
}

func find(level []*cli.Command, name string) *cli.Command {
	for _, c := range level {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
