package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/manager/session/stream"
	"lodge/web/client"
	"lodge/web/wire"
)

func waitCommands() []*cli.Command {
	return []*cli.Command{{Name: "wait", Category: "Containers",
		Usage: "wait until a container is as wanted", ArgsUsage: "NAME CONDITION...",
		Description: "Conditions: state=STATE; ip, it runs and has an address; ready, its init has started everything;\n" +
			"port=PORT, something answers there. All of them have to hold, one after the other.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "timeout", Value: "5m",
			Usage: "give up after `DURATION`"}},
		Action: wait, BashComplete: completeContainers}}
}

// A condition reports whether a container is as wanted. Most are asked again and again; slow ones
// return when it is so.
type condition struct {
	text string
	ask  func(ctx context.Context, api *client.Client, w wire.Container) (bool, error)
}

func parseCondition(text string) (condition, error) {
	key, value, _ := strings.Cut(text, "=")
	switch {
	case key == "state" && value != "":
		return condition{text, func(_ context.Context, _ *client.Client, w wire.Container) (bool, error) {
			return string(w.State) == value, nil
		}}, checkState(value)
	case text == "ip":
		return condition{text, func(_ context.Context, _ *client.Client, w wire.Container) (bool, error) {
			return w.State == inventory.StateRunning && len(addresses(w)) > 0, nil
		}}, nil
	case text == "ready":
		return condition{text, isReady}, nil
	case key == "port":
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return condition{}, usage("%q is no port; write it like port=22", value)
		}
		return condition{text, func(ctx context.Context, _ *client.Client, w wire.Container) (bool, error) {
			return answers(ctx, w, value), nil
		}}, nil
	}
	return condition{}, usage("%q is nothing to wait for; there are state=running, ip, ready and port=22", text)
}

func checkState(value string) error {
	lasting := []inventory.State{inventory.StateRunning, inventory.StateStopped,
		inventory.StateFrozen, inventory.StateError}
	if slices.Contains(lasting, inventory.State(value)) {
		return nil
	}
	return usage("%q is no state to wait for; there are running, stopped, frozen and error", value)
}

func wait(c *cli.Context) error {
	if c.NArg() < 2 {
		return usage("wait needs NAME and a condition, like: lodge wait web1 state=running")
	}
	var conditions []condition
	for _, text := range c.Args().Tail() {
		cond, err := parseCondition(text)
		if err != nil {
			return err
		}
		conditions = append(conditions, cond)
	}
	limit, err := duration(c, "timeout")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, limit)
	defer cancel()
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	name := c.Args().First()
	for _, cond := range conditions {
		err := until(ctx, api, ref(c, name), cond)
		if errors.Is(err, context.DeadlineExceeded) {
			return inventory.Errorf(inventory.ErrUnavailable, "%s is not %s after %s", name,
				cond.text, limit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// until asks until the condition holds: often at first, when little time is to be lost.
func until(ctx context.Context, api *client.Client, ref inventory.Ref, cond condition) error {
	for nap := 20 * time.Millisecond; ; nap = min(2*nap, time.Second) {
		w, err := api.Container(ctx, ref)
		if err == nil {
			var ok bool
			if ok, err = cond.ask(ctx, api, w); ok {
				return nil
			}
		}
		if err != nil && !errors.Is(err, inventory.ErrUnavailable) { // an agent that restarts comes back
			return err
		}
		if err := pause(ctx, nap); err != nil {
			return err
		}
	}
}

func addresses(w wire.Container) (all []string) {
	for _, n := range w.NICs {
		for _, a := range []string{n.IPv4, n.IPv6} {
			if a != "" {
				all = append(all, a)
			}
		}
	}
	return all
}

// answers tries the port from here: what counts is that it can be reached.
func answers(ctx context.Context, w wire.Container, port string) bool {
	if w.State != inventory.StateRunning {
		return false
	}
	d := net.Dialer{Timeout: time.Second}
	for _, a := range addresses(w) {
		if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a, port)); err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// bootScript returns when init has started everything: 0 when all went well or init has no such
// notion, 3 when some unit failed (systemctl(1), is-system-running). Before systemd's socket is
// there it asks again.
const bootScript = `command -v systemctl >/dev/null 2>&1 || exit 0
while :; do
  case $(systemctl is-system-running --wait 2>/dev/null) in
    running) exit 0 ;; degraded) exit 3 ;; maintenance|stopping) exit 4 ;;
  esac
  sleep 0.1
done`

// isReady runs one command in the container that ends when its boot has.
func isReady(ctx context.Context, api *client.Client, w wire.Container) (bool, error) {
	if w.State != inventory.StateRunning {
		return false, nil
	}
	s, err := api.OpenSession(ctx, inventory.Ref{Project: w.Project, Name: w.Name},
		wire.SessionRequest{Kind: inventory.SessionExec,
			SessionArgs: inventory.SessionArgs{Command: []string{"/bin/sh", "-c", bootScript}}}, client.Options{Reason: "lodge wait ready"})
	if err != nil {
		return false, err
	}
	exit, err := attend(ctx, api, s)
	if ctx.Err() != nil {
		api.EndSession(context.WithoutCancel(ctx), s.ID) // nobody waits for it any more
		return false, ctx.Err()
	}
	switch {
	case err != nil:
		return false, inventory.Errorf(inventory.ErrUnavailable, "%v", err)
	case exit.Code == 0:
		return true, nil
	case exit.Code == 3:
		return false, inventory.Errorf(inventory.ErrState,
			"%s has started, and some of its units failed: lodge exec %s -- systemctl --failed", w.Name, w.Name)
	}
	return false, inventory.Errorf(inventory.ErrState,
		"%s does not get ready: its init is in maintenance or stops", w.Name)
}

// attend waits for the end of a session that says nothing.
func attend(ctx context.Context, api *client.Client, s wire.Session) (stream.Exit, error) {
	conn, err := api.Stream(ctx, s.ID, false)
	if err != nil {
		return stream.Exit{}, err
	}
	return stream.Dial(conn).Run(ctx, nil, io.Discard, io.Discard, nil)
}
