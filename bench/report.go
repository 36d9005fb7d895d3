package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// The table lies between these lines of the README; the text around it is written by people.
const (
	tableBegin = "<!-- table begins: written by make bench -->\n"
	tableEnd   = "<!-- table ends -->\n"
)

// report prints the table, and after a full run puts it into the README.
func (b *bench) report(w io.Writer) error {
	table := b.table()
	fmt.Fprint(w, table)
	if b.out == "" || len(b.only) > 0 {
		return nil
	}
	old, err := os.ReadFile(b.out)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(old, []byte(tableBegin))
	_, after, ended := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the table", b.out)
	}
	text := string(before) + tableBegin + table + tableEnd + string(after)
	return os.WriteFile(b.out, []byte(text), 0o644)
}

func (b *bench) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s\n\n", b.machine)
	fmt.Fprintln(&out,
		"| figure | what | n | agent | whole command | raw | aim, agent | aim, command | `-only` |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|---|---|---|")
	for _, f := range figures {
		s, ok := b.results.samples[f.name]
		if !ok || !b.wanted(f.name) {
			continue
		}
		raw := s[inRaw].String()
		if f.raw != "" && raw != "" {
			raw += " " + f.raw
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %s | %s | %s | %s | %s | `%s` |\n", f.name, f.what,
			max(len(s[inAgent]), len(s[inCommand])),
			s[inAgent], s[inCommand], raw, b.agentAim(f, s), commandAim(f, s), f.name)
	}
	if len(b.results.notes) > 0 {
		fmt.Fprintln(&out)
	}
	for _, n := range b.results.notes {
		fmt.Fprintf(&out, "- %s.\n", n)
	}
	return out.String() + "\n"
}

// agentAim is what the agent's column may come to, and whether it does.
func (b *bench) agentAim(f figure, s *[columns]sample) string {
	limit := f.aim
	if raw := s[inRaw].median(); limit == 0 && raw > 0 && f.percent > 0 {
		limit = raw * time.Duration(f.percent) / 100
	} else if limit == 0 && raw > 0 && f.records > 0 {
		limit = raw*115/100 + time.Duration(f.records)*b.results.of("limit-fdatasync")[inAgent].median()
	}
	if limit == 0 || f.group == "scale" && len(s[inCommand]) > 0 {
		return ""
	}
	return verdict(s[inAgent].median(), limit)
}

func commandAim(f figure, s *[columns]sample) string {
	raw := s[inRaw].median()
	switch {
	case len(s[inCommand]) == 0:
		return ""
	case f.group == "scale" && f.aim > 0:
		return verdict(s[inCommand].median(), f.aim)
	case raw > 0 && f.aim == 0 && f.percent == 0 && f.group != "parallel":
		return verdict(s[inCommand].median(), raw+15*time.Millisecond)
	}
	return ""
}

func verdict(is, limit time.Duration) string {
	if is <= limit {
		return "≤ " + millis(limit) + ": met"
	}
	return "≤ " + millis(limit) + ": **missed**"
}
