package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

const (
	// inline is how long a mutation's own request waits: most operations end within it, and the
	// answer comes in one round trip.
	inline = 300 * time.Millisecond
	// atOnce is how many names are worked on side by side.
	atOnce = 16
)

// mutationFlags are those of every command that changes something.
func mutationFlags(more ...cli.Flag) []cli.Flag {
	return append(changeFlags(more...), &cli.StringFlag{Name: "timeout", Aliases: []string{"wait-timeout"},
		Usage: "stop waiting after `DURATION`; the operation goes on"})
}

// changeFlags are mutationFlags without --timeout, for commands that mean something else by it.
func changeFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.BoolFlag{Name: "plan", Usage: "show what would change, and stop"},
		&cli.BoolFlag{Name: "emergency", Usage: "run at once what policies hold; with --reason, and a review later"},
		&cli.BoolFlag{Name: "draft", Usage: "keep the plan as a draft change, and stop"},
		&cli.StringFlag{Name: "reason", Usage: "why, kept in the audit journal: `TEXT`"},
		&cli.StringFlag{Name: "ticket", Usage: "the ticket it belongs to: `ID`"},
		breakGlassFlag(),
		&cli.BoolFlag{Name: "wait", Usage: "wait for the end (the default)"},
		&cli.BoolFlag{Name: "no-wait", Usage: "return at once with the operation"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "don't ask"})
}

// options reads the flags that go with any mutation. The key makes it safe to send one again.
func options(c *cli.Context) client.Options {
	o := client.Options{Plan: c.Bool("plan"), Draft: c.Bool("draft"),
		Emergency: c.Bool("emergency"), Reason: c.String("reason"), Ticket: c.String("ticket")}
	if o.Plan {
		return o
	}
	o.Key = inventory.NewID(time.Now())
	if !c.Bool("no-wait") {
		o.Wait = inline
	}
	return o
}

// A mutation is one call on one name.
type mutation func(ctx context.Context, api *client.Client, name string,
	o client.Options) (client.Answer, error)

// An ending says in a line how an operation ended, when it ended well.
type ending func(c *cli.Context, api *client.Client, op wire.Operation) string

// is ends a line with what is true of the name now: "web1 is stopped".
func is(text string) ending {
	return func(_ *cli.Context, _ *client.Client, op wire.Operation) string {
		return op.Name + " " + text + though(op)
	}
}

// though says what a start did not wait for any longer; "" for most.
func though(op wire.Operation) string {
	var result struct {
		Unready string `json:"unready"`
	}
	if json.Unmarshal(op.Result, &result) != nil || result.Unready == "" {
		return ""
	}
	return ", though " + result.Unready
}

// says ends with a line of its own.
func says(text string) ending {
	return func(*cli.Context, *client.Client, wire.Operation) string { return text }
}

// mutateEach runs a mutation on every name, many at once, and shows one result per name.
func mutateEach(c *cli.Context, names []string, end ending, m mutation) error {
	if c.Bool("wait") && c.Bool("no-wait") {
		return usage("give --wait or --no-wait, not both")
	}
	if _, err := duration(c, "wait-timeout"); err != nil {
		return err
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	s := &settling{Context: c, api: api, end: end, many: len(names) > 1}
	results := make([]error, len(names))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			answer, err := begin(c, api, name, m)
			if err == nil {
				err = s.settle(answer, name)
			}
			results[i] = err
		})
	}
	wg.Wait()
	return firstOf(c, names, results)
}

// begin sends a mutation. Ctrl-C does not cut it off, since it would not be known then what is to
// be cancelled; a connection that breaks does not either, since the key finds the operation again.
func begin(c *cli.Context, api *client.Client, name string, m mutation) (client.Answer, error) {
	if err := c.Context.Err(); err != nil {
		return client.Answer{}, err
	}
	o, ctx := options(c), context.WithoutCancel(c.Context)
	sent := false
	for end := time.Now().Add(awayFor); ; {
		answer, err := m(ctx, api, name, o)
		// A transport error after the connection was made: the agent may have begun.
		sent = sent || errors.As(err, new(*url.Error))
		if !sent || !errors.Is(err, inventory.ErrUnavailable) || o.Key == "" || time.Now().After(end) {
			return answer, err
		}
		if err := pause(c.Context, redialPause); err != nil {
			return answer, fmt.Errorf("it is not known whether it began, see 'lodge operation list': %w", err)
		}
	}
}

// pause waits for d, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstOf prints what went wrong with each of many names; the exit code is the first one's. What
// went wrong with one alone is left to the program.
func firstOf(c *cli.Context, names []string, results []error) error {
	var first error
	for i, err := range results {
		if err == nil {
			continue
		}
		if len(names) == 1 {
			return err
		}
		if first == nil {
			first = codeError(codeOf(err))
		}
		switch {
		case errors.As(err, new(codeError)):
		case errors.Is(err, context.Canceled):
			first = codeError(inventory.ExitInterrupted)
		default:
			complain(c.App.ErrWriter, fmt.Errorf("%s: %w", names[i], err))
		}
	}
	return first
}

// confirm asks before something is lost. Where nobody can be asked, --yes has to be given.
func confirm(c *cli.Context, question string) error {
	if c.Bool("yes") || c.Bool("plan") || c.Bool("draft") {
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
