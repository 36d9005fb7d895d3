package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// awayFor is how long a command waits for an agent that went away under it: a restart takes a
// second or two.
const awayFor = time.Minute

// A settling shows what came of the mutations of one command.
type settling struct {
	*cli.Context
	api  *client.Client
	end  ending
	many bool

	printing sync.Mutex // one result at a time
}

// settle shows an answer: the plan, the change that waits, or the operation's end.
func (s *settling) settle(a client.Answer, name string) error {
	op, line := a.Operation, ""
	if op != nil && !s.Bool("no-wait") {
		ended, err := follow(s.Context, s.api, *op, s.many)
		if err == nil {
			err = ended.Err()
		}
		if err != nil {
			return err
		}
		op = &ended
		if !structured(s.Context) {
			line = s.line(ended)
		}
	}
	s.printing.Lock()
	defer s.printing.Unlock()
	if s.many && s.String("output") == "yaml" {
		fmt.Fprintln(s.App.Writer, "---") // a document per name
	}
	switch {
	case a.Plan != nil:
		return printPlan(s.Context, a.Plan, name)
	case a.Change != nil && a.Change.State == inventory.ChangeDraft:
		if structured(s.Context) {
			return printValue(s.Context, a.Change)
		}
		fmt.Fprintln(s.App.Writer, printable(heldLine(*a.Change)))
		return nil
	case a.Change != nil:
		return printHeld(s.Context, a.Change)
	case structured(s.Context):
		return printValue(s.Context, op)
	case s.Bool("no-wait"):
		line = string(op.ID)
	}
	if line != "" {
		fmt.Fprintln(s.App.Writer, printable(line))
	}
	return nil
}

func (s *settling) line(op wire.Operation) string {
	if s.end == nil || s.Bool("quiet") && !isMaking(op.Verb) {
		return ""
	}
	return s.end(s.Context, s.api, op)
}

// isMaking says that the name of what was made is the answer, and is printed even with --quiet.
func isMaking(verb string) bool {
	return verb == "container.launch" || verb == "container.create" || verb == "container.import"
}

// follow waits for the operation's end and shows its progress. Ctrl-C cancels it and says what
// state things are in; an agent that is away is waited for.
func follow(c *cli.Context, api *client.Client, op wire.Operation, many bool) (wire.Operation, error) {
	if op.State.IsEnded() {
		return op, nil
	}
	limit, err := duration(c, "wait-timeout")
	if err != nil {
		return op, err
	}
	ctx := c.Context
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	p := newProgress(c, many)
	last, err := persist(ctx, c, api, op, p)
	p.close()
	switch {
	case err == nil:
		return last, nil
	case c.Context.Err() != nil:
		return op, interrupt(c, api, op)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return op, inventory.Errorf(inventory.ErrUnavailable,
			"%s %s goes on after %s; 'lodge operation wait %s' waits for it",
			op.Verb, op.Name, limit, op.ID)
	}
	return op, err
}

// persist follows an operation over restarts of the agent: it is the next agent that knows how it
// ended.
func persist(ctx context.Context, c *cli.Context, api *client.Client, op wire.Operation,
	p *progress) (wire.Operation, error) {
	var since time.Time
	for {
		last, err := api.Follow(ctx, op.ID, p.interval(),
			func(now wire.Operation) { since = time.Time{}; p.show(now) })
		if !errors.Is(err, inventory.ErrUnavailable) {
			return last, err
		}
		if since.IsZero() {
			since = time.Now()
			p.say("the agent is away, waiting ...")
		}
		if time.Since(since) > awayFor {
			return last, inventory.Errorf(inventory.ErrUnavailable,
				"how %s of %s ended is not known: %w", op.Verb, op.Name, err)
		}
		if err := pause(ctx, redialPause); err != nil {
			return last, err
		}
	}
}

// interrupt cancels the operation after Ctrl-C and waits until it has been undone.
func interrupt(c *cli.Context, api *client.Client, op wire.Operation) error {
	fmt.Fprintf(c.App.ErrWriter, "\ncancelling %s of %s ...\n", op.Verb, op.Name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), awayFor)
	defer cancel()
	if _, err := api.Cancel(ctx, op.ID); err != nil && !errors.Is(err, inventory.ErrState) {
		return fmt.Errorf("%s of %s could not be cancelled and may still run, see 'lodge operation show %s': %w", op.Verb, op.Name, op.ID, err)
	}
	end, err := api.Wait(ctx, op.ID)
	if err != nil {
		return fmt.Errorf("%s of %s is being undone, see 'lodge operation show %s': %w", op.Verb,
			op.Name, op.ID, err)
	}
	said := "was cancelled; everything is as before"
	switch end.State {
	case inventory.OperationDone:
		said = "was done before it could be cancelled"
	case inventory.OperationFailed:
		said = "failed before it could be cancelled: " + end.Error
	}
	fmt.Fprintf(c.App.ErrWriter, "%s of %s %s\n", end.Verb, end.Name, printable(said))
	return codeError(inventory.ExitInterrupted)
}

func printHeld(c *cli.Context, ch *wire.Change) error {
	if structured(c) {
		if err := printValue(c, ch); err != nil {
			return err
		}
		return codeError(inventory.ExitHeld)
	}
	fmt.Fprintln(c.App.ErrWriter, printable(heldLine(*ch)))
	return codeError(inventory.ExitHeld)
}
