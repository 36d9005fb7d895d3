package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// What a container comes after is an order, not a condition: a start waits for it as long as
// after.timeout, then starts all the same and says what was missing. So one broken container never
// keeps an estate down after a boot of the host.

const (
	// readyPause is between two looks at what a start waits for, dialTimeout bounds one of them.
	readyPause  = 200 * time.Millisecond
	dialTimeout = time.Second
	// bootProof is the proof of who starts containers after a boot of the host, and has waited.
	bootProof = "boot"
)

// waitLines say in a plan what the start of c waits for, and for how long.
func (s *Service) waitLines(ctx context.Context, c *inventory.Container) ([]inventory.EffectLine, error) {
	limit, err := s.afterTimeout(ctx, c)
	if err != nil {
		return nil, err
	}
	var lines []inventory.EffectLine
	for _, d := range c.Dependencies() {
		line := inventory.EffectLine{Field: "waits for", After: d.String(),
			Note: fmt.Sprintf("up to %s, then it starts all the same", limit)}
		if other := s.depended(ctx, c, d); other == nil || !s.isToRun(other) {
			line.Note = d.Name + " is not meant to run, and not waited for"
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func (s *Service) afterTimeout(ctx context.Context, c *inventory.Container) (time.Duration, error) {
	if len(c.After) == 0 {
		return 0, nil
	}
	text, err := s.value(ctx, c, "after.timeout")
	if err != nil {
		return 0, err
	}
	return inventory.ParseDuration(text)
}

// depended finds the container a dependency names; nil when there is none, or it lies in the trash.
func (s *Service) depended(ctx context.Context, c *inventory.Container, d inventory.Dependency) *inventory.Container {
	other, err := s.Store.Container(ctx, inventory.Ref{Project: c.Project, Name: d.Name})
	if err != nil || other.IsTrashed() {
		return nil
	}
	return other
}

func (s *Service) isToRun(c *inventory.Container) bool {
	return c.Intent == inventory.IntentRun || s.Observer.State(c).IsLive()
}

// awaitAfter waits until all that c comes after is ready, and returns for people what is not when
// the time is over; "" when all is. What is not meant to run is not waited for. The error is ctx's.
func (s *Service) awaitAfter(ctx context.Context, c *inventory.Container, tell func(missing string)) (string, error) {
	limit, err := s.afterTimeout(ctx, c)
	if err != nil {
		return "", err
	}
	for until := time.Now().Add(limit); ; {
		missing, hope := s.unready(ctx, c)
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case len(missing) == 0:
			return "", nil
		case !hope:
			return strings.Join(missing, "; "), nil
		case !time.Now().Before(until):
			return fmt.Sprintf("%s, %s long", strings.Join(missing, "; "), limit), nil
		}
		tell(strings.Join(missing, "; "))
		select {
		case <-time.After(readyPause):
		case <-ctx.Done():
		}
	}
}

// unready says what c comes after is not ready, and whether some of that may yet be.
func (s *Service) unready(ctx context.Context, c *inventory.Container) (missing []string, hope bool) {
	for _, d := range c.Dependencies() {
		switch other := s.depended(ctx, c, d); {
		case other == nil:
		case !s.isToRun(other):
			missing = append(missing, d.Name+" is not meant to run")
		case s.Observer.State(other) != inventory.StateRunning:
			missing, hope = append(missing, d.Name+" did not run"), true
		case d.Port != 0 && !answers(ctx, other, d.Port):
			missing, hope = append(missing, fmt.Sprintf("%s did not answer on port %d", d.Name, d.Port)), true
		}
	}
	return missing, hope
}

// answers reports whether a TCP port of c accepts a connection from the host. Nothing is read or
// written: what listens there may be hostile.
func answers(ctx context.Context, c *inventory.Container, port uint16) bool {
	d := net.Dialer{Timeout: dialTimeout}
	for _, nic := range c.NICs {
		if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(nic.IPv4.String(), strconv.Itoa(int(port)))); err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// startAfter starts a container when what it comes after is ready, or the time for that is over: then
// the result of the operation says so, and the journal.
func (s *Service) startAfter(ctx context.Context, r *gate.Run) error {
	c := r.Container()
	live := s.Observer.State(c).IsLive()
	if r.Operation.Principal.Proof != bootProof && !live {
		missing, err := s.awaitAfter(ctx, c, func(m string) { r.Progress(30, "waiting: %s", m) })
		if err != nil {
			return err
		}
		if missing != "" {
			err = errors.Join(err, r.Result(map[string]string{"unready": missing}))
			s.note(ctx, c, "container.unready", missing)
		}
		if err != nil {
			return err
		}
	}
	return s.start(ctx, r)
}
