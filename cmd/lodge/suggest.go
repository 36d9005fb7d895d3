package main

import "github.com/urfave/cli/v2"

func (l *line) noCommand(level []*cli.Command, arg string) error {
	var known []string
	for _, cmd := range level {
		if !cmd.Hidden {
			known = append(known, cmd.Names()...)
		}
	}
	if near := nearest(known, arg); near != "" {
		return usage("there is no command '%s %s'; did you mean '%s %s'?", l.name(), arg, l.name(), near)
	}
	return usage("there is no command '%s %s'; '%s --help' lists them", l.name(), arg, l.name())
}

func (l *line) noFlag(name string) error {
	var known []string
	if cmd := l.command(); cmd != nil {
		for _, f := range cmd.Flags {
			known = append(known, f.Names()...)
		}
	}
	for _, f := range l.app.Flags {
		known = append(known, f.Names()...)
	}
	hint := "'" + l.name() + " --help' lists its flags"
	if near := nearest(known, name); near != "" {
		hint = "did you mean --" + near + "?"
	} else if takesCommand(l.command()) {
		hint = "what belongs to the command comes after --"
	}
	return usage("'%s' has no flag %s; %s", l.name(), dashed(name), hint)
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// nearest returns the word a person most likely meant: the one with the fewest letters changed,
// added or left out, if it is near enough to be no coincidence; "" if none is.
func nearest(words []string, typed string) string {
	best, least := "", len(typed)/3+1
	for _, word := range words {
		if len(word) < 2 || word == typed {
			continue
		}
		if d := distance(word, typed); d <= least && d < len(word) && (best == "" || d < least) {
			best, least = word, d
		}
	}
	return best
}

// distance is Levenshtein's, with two neighbours in the wrong order as one mistake.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
