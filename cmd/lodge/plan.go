package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

// printPlan shows what would change and what each change takes.
func printPlan(c *cli.Context, p *wire.Plan, name string) error {
	if structured(c) {
		return printValue(c, p)
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%s %s", p.Verb, name)
	if p.Base > 0 {
		fmt.Fprintf(out, " (revision %d)", p.Base)
	}
	fmt.Fprintln(out)
	for _, e := range p.Effects {
		printEffect(out, e)
	}
	if len(p.Effects) == 0 {
		fmt.Fprintln(out, "  no setting changes")
	}
	if len(p.Foresees) > 0 {
		fmt.Fprintln(out, "  and then, as things are now:")
	}
	for _, e := range p.Foresees {
		printEffect(out, e)
	}
	printFields(out, []field{{"interrupts", cmp.Or(p.Interrupts, "nothing")}, {"risk", string(p.Risk)},
		{"steps", strings.Join(p.Steps, ", ")}, {"verdict",
			strings.TrimSpace(p.Verdict + " " + strings.Join(p.Reasons, "; "))},
		{"digest", p.Digest}})
	return nil
}

func printEffect(out io.Writer, e inventory.EffectLine) {
	mark, change := "~", e.Before+" -> "+e.After
	switch {
	case e.Before == "":
		mark, change = "+", e.After
	case e.After == "":
		mark, change = "-", e.Before
	}
	line := fmt.Sprintf("  %s %-14s %s", mark, printable(e.Field), printable(change))
	var marks []string
	if e.Effect == inventory.EffectRestart || e.Effect == inventory.EffectReplace {
		marks = append(marks, string(e.Effect))
	}
	if e.Risk == inventory.RiskMedium || e.Risk == inventory.RiskHigh {
		marks = append(marks, string(e.Risk)+" risk")
	}
	if len(marks) > 0 {
		line += "  (" + strings.Join(marks, ", ") + ")"
	}
	if e.Note != "" {
		line += "  # " + printable(e.Note)
	}
	fmt.Fprintln(out, line)
}
