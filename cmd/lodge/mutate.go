package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// mutationFlags are those of every command that changes something.
func mutationFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.BoolFlag{Name: "plan", Usage: "show what would change, and stop"},
		&cli.StringFlag{Name: "reason", Usage: "why, kept in the audit journal: `TEXT`"},
		&cli.StringFlag{Name: "ticket", Usage: "the ticket it belongs to: `ID`"},
		&cli.BoolFlag{Name: "no-wait", Usage: "return at once with the operation"},
		&cli.BoolFlag{Name: "wait", Usage: "wait for the end (the default)"},
		&cli.DurationFlag{Name: "wait-timeout", Usage: "stop waiting after `DURATION`; the operation goes on"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "don't ask"})
}

// options reads the flags that go with any mutation. A short wait is asked for with the request
// itself: most operations end within it, and the answer comes in one round trip.
func options(c *cli.Context) client.Options {
	o := client.Options{Plan: c.Bool("plan"), Reason: c.String("reason"), Ticket: c.String("ticket")}
	if !c.Bool("no-wait") && !o.Plan {
		o.Wait = 300 * time.Millisecond
	}
	return o
}

// A mutation is one call on one name.
type mutation func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error)

// mutateEach runs a mutation on every name at once and shows one result per name. The error it
// returns is the first one; the others have been printed.
func mutateEach(c *cli.Context, names []string, done string, m mutation) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	results := make([]error, len(names))
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	var printing sync.Mutex
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			answer, err := m(c.Context, api, name, options(c))
			if err == nil {
				err = settle(c, api, answer, &printing, name, done, len(names) > 1)
			}
			results[i] = err
		})
	}
	wg.Wait()
	return firstOf(c, names, results)
}

// firstOf prints all errors but the last one worth returning, which the program prints itself.
func firstOf(c *cli.Context, names []string, results []error) error {
	var failed []error
	for i, err := range results {
		if err == nil {
			continue
		}
		if len(names) > 1 {
			err = fmt.Errorf("%s: %w", names[i], err)
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[1:] {
		var code codeError
		if !errors.As(err, &code) {
			fmt.Fprintln(c.App.ErrWriter, "lodge:", err)
		}
	}
	return failed[0]
}

// settle shows the answer: the plan, the change that waits, or the operation's end.
func settle(c *cli.Context, api *client.Client, a client.Answer, printing *sync.Mutex, name, done string, many bool) error {
	switch {
	case a.Plan != nil:
		printing.Lock()
		defer printing.Unlock()
		return printPlan(c, a.Plan, name)
	case a.Change != nil:
		printing.Lock()
		defer printing.Unlock()
		return printHeld(c, a.Change)
	}
	op := *a.Operation
	if c.Bool("no-wait") {
		if structured(c) {
			return printValue(c, op)
		}
		fmt.Fprintln(c.App.Writer, op.ID)
		return nil
	}
	op, err := follow(c, api, op, many)
	if err != nil {
		return err
	}
	if err := op.Err(); err != nil {
		return err
	}
	printing.Lock()
	defer printing.Unlock()
	if structured(c) {
		return printValue(c, op)
	}
	if !c.Bool("quiet") && done != "" {
		fmt.Fprintf(c.App.Writer, "%s %s\n", op.Name, done)
	}
	return nil
}

// follow waits for the operation's end and shows its progress. Ctrl-C cancels it and says what
// state things are in.
func follow(c *cli.Context, api *client.Client, op wire.Operation, many bool) (wire.Operation, error) {
	if op.State.IsEnded() {
		return op, nil
	}
	ctx := c.Context
	if d := c.Duration("wait-timeout"); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	p := newProgress(c, many)
	defer p.close()
	last, err := api.Follow(ctx, op.ID, p.interval(), p.show)
	switch {
	case err == nil:
		return last, nil
	case c.Context.Err() != nil:
		return op, interrupt(c, api, op)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return op, inventory.Errorf(inventory.ErrUnavailable, "%s goes on; 'lodge operation wait %s' waits for it", op.Verb, op.ID)
	}
	return op, err
}

// interrupt cancels the operation after Ctrl-C and waits until it has been undone.
func interrupt(c *cli.Context, api *client.Client, op wire.Operation) error {
	fmt.Fprintln(c.App.ErrWriter, "\ncancelling ...")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), time.Minute)
	defer cancel()
	if _, err := api.Cancel(ctx, op.ID); err != nil && !errors.Is(err, inventory.ErrState) {
		return fmt.Errorf("%s could not be cancelled and may still run, see 'lodge operation show %s': %w", op.Verb, op.ID, err)
	}
	end, err := api.Wait(ctx, op.ID)
	if err != nil {
		return fmt.Errorf("%s is being undone, see 'lodge operation show %s': %w", op.Verb, op.ID, err)
	}
	if end.State == inventory.OperationDone {
		fmt.Fprintf(c.App.ErrWriter, "%s %s was done before it could be cancelled\n", end.Verb, end.Name)
	} else {
		fmt.Fprintf(c.App.ErrWriter, "%s %s was cancelled; everything is as before\n", end.Verb, end.Name)
	}
	return codeError(inventory.ExitInterrupted)
}

func printHeld(c *cli.Context, ch *wire.Change) error {
	if structured(c) {
		if err := printValue(c, ch); err != nil {
			return err
		}
		return codeError(inventory.ExitHeld)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s waits for %s: change %s\n", ch.Plan.Verb, strings.Join(ch.Needs, ", "), ch.ID)
	return codeError(inventory.ExitHeld)
}

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
	fields := []field{{"interrupts", orDash(p.Interrupts)}, {"risk", string(p.Risk)}, {"steps", strings.Join(p.Steps, ", ")},
		{"verdict", strings.TrimSpace(p.Verdict + " " + strings.Join(p.Reasons, "; "))}, {"digest", p.Digest}}
	printFields(out, fields)
	return nil
}

func printEffect(out io.Writer, e inventory.EffectLine) {
	mark := "~"
	switch {
	case e.Before == "":
		mark = "+"
	case e.After == "":
		mark = "-"
	}
	change := e.After
	if e.Before != "" {
		change = strings.TrimSuffix(e.Before+" -> "+e.After, " -> ")
	}
	line := fmt.Sprintf("  %s %-14s %s", mark, e.Field, printable(change))
	if e.Effect == inventory.EffectRestart || e.Effect == inventory.EffectReplace {
		line += fmt.Sprintf("  (%s)", e.Effect)
	}
	if e.Note != "" {
		line += "  # " + e.Note
	}
	fmt.Fprintln(out, line)
}

func orDash(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// confirm asks before something is lost. Where nobody can be asked, --yes has to be given.
func confirm(c *cli.Context, question string) error {
	if c.Bool("yes") || c.Bool("plan") {
		return nil
	}
	if !isTerminal(c.App.Reader) || !isTerminal(c.App.ErrWriter) {
		return usage("%s: add --yes to confirm, or --plan to look first", question)
	}
	fmt.Fprintf(c.App.ErrWriter, "%s? [y/N] ", question)
	answer, _ := bufio.NewReader(c.App.Reader).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
		return nil
	}
	return inventory.Errorf(inventory.ErrDenied, "nothing was changed")
}
