package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/lxc"
	"lodge/manager/session/stream"
	"lodge/manager/sudo"
)

const (
	// guestLimit is how long a program of a container may take that the agent waits for.
	guestLimit = 15 * time.Second
	// guestOutput is how much of what it wrote is kept, in bytes: a sentence's worth.
	guestOutput = 400
)

func (a *Agent) newSudo() *sudo.Service {
	return sudo.New(sudo.Config{Store: a.store, Rights: a.identity, Settings: settings{table: a.table, store: a.store},
		Observer: a.runtime, Guest: guest{a}, Now: a.now, Log: a.log,
		Rootfs: func(c *inventory.Container) string { return a.pools.Pool(c.Pool).Path(string(c.ID)) }})
}

// keepSudo ends sudo; it looks at it after every change of anything.
func (a *Agent) keepSudo(ctx context.Context) {
	poked, stop := a.store.Subscribe()
	defer stop()
	a.sudo.Keep(ctx, poked)
}

// A guest runs programs of a container as sessions of the agent's own: entered as everybody's are, judged by
// the gate, and on record.
type guest struct{ *Agent }

// Run returns the exit code and the beginning of the output, as one line of what can be printed.
func (g guest) Run(ctx context.Context, c *inventory.Container, command ...string) (code int, output string, err error) {
	ctx, cancel := context.WithTimeout(inventory.WithPrincipal(ctx, inventory.System("sudo")), guestLimit)
	defer cancel()
	args, err := json.Marshal(inventory.SessionArgs{Command: command})
	if err != nil {
		return 0, "", err
	}
	s, err := g.sessions.Open(ctx, gate.Request{Verb: "container.exec", Ref: inventory.Ref{Name: string(c.ID)}, Args: args})
	if err != nil {
		return 0, "", err
	}
	var out beginning
	exit, err := g.await(ctx, s.ID, &out)
	if ctx.Err() != nil {
		err = inventory.Errorf(inventory.ErrUnavailable, "%s in %s did not end within %s", command[0], c.Ref(), guestLimit)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), guestLimit)
		defer cancel()
		if failed := g.sessions.End(end, s.ID); failed != nil {
			g.log.Warn("a program of the agent's goes on in a container", "name", c.Name, "session", s.ID, "error", failed)
		}
	}
	if err == nil && exit.Kind == stream.FailedToRun && exit.Code != inventory.ExitNoCommand {
		err = inventory.Errorf(inventory.ErrUnavailable, "%s can't be run in %s: %s", command[0], c.Ref(), printable(exit.Message))
	}
	return exit.Code, printable(out.String()), err
}

func (g guest) await(ctx context.Context, id inventory.SessionID, out *beginning) (stream.Exit, error) {
	conn, err := g.sessions.Attach(ctx, id, false)
	if err != nil {
		return stream.Exit{}, fmt.Errorf("session %s: %w", id, err)
	}
	return stream.Dial(conn).Run(ctx, nil, out, out, nil)
}

// A beginning keeps the first bytes of what is written to it.
type beginning struct{ strings.Builder }

// Write takes everything.
func (b *beginning) Write(p []byte) (int, error) {
	b.Builder.Write(p[:min(len(p), guestOutput-b.Len())])
	return len(p), nil
}

// printable is a container's word as part of a line for people.
func printable(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

// swept starts containers without files of sudo that no grant asks for.
type swept struct {
	*lxc.Runtime
	agent *Agent
}

// Start sweeps first. What can't be swept gives nothing: sudo lets it go at its end by itself.
func (s swept) Start(ctx context.Context, b inventory.Boot) error {
	if err := s.agent.sudo.Sweep(ctx, b.Container, b.Rootfs); err != nil {
		s.agent.log.Warn("files of sudo are not looked through", "name", b.Container.Name, "error", err)
	}
	return s.Runtime.Start(ctx, b)
}
