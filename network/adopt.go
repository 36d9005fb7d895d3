package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"lodge/inventory"
	"lodge/network/names"
	"lodge/network/role"
)

const (
	// startTime is how long a new role may take until it answers.
	startTime = 10 * time.Second
	// helloTime is how long one that runs may take to say who it is.
	helloTime = 3 * time.Second
	// ensureTime is how long adopting, replacing or starting may take together.
	ensureTime = 30 * time.Second
	// checkTime is how often the role and resolv.conf are looked at.
	checkTime = 2 * time.Second
)

// errNoRole: nobody listens on the control socket.
var errNoRole = errors.New("no net role runs")

// AdoptRole takes over a role of an earlier agent, without starting one: it goes on with the same
// sockets and gets the present zone. It reports false when none of this version runs.
func (s *Service) AdoptRole(ctx context.Context) (bool, error) {
	s.steer.lock()
	defer s.steer.unlock()
	c, err := s.dial(ctx, s.controlPath())
	if err != nil {
		return false, s.unlessGone(ctx, err)
	}
	if c.Info().Version != s.cfg.Version {
		c.Close()
		return false, nil
	}
	return true, s.take(ctx, c)
}

// StartRole sees to it that names are answered: it adopts the role that runs, replaces one of
// another version without losing a question, or starts one. From then on until Close or Stop a role
// that dies is started again, and the host's resolv.conf is followed.
//
// ErrUnavailable: it can't be had now, because another program holds port 53, say. It is tried again
// in the background.
func (s *Service) StartRole(ctx context.Context) error {
	s.steer.lock()
	err := s.ensureRole(ctx)
	if s.watching == nil {
		watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
		s.watching = cancel
		s.watch.Go(func() { s.watchRole(watch) })
		s.watch.Go(func() { s.watchHostNames(watch) })
	}
	s.steer.unlock()
	if err != nil && !errors.Is(err, inventory.ErrUnavailable) {
		return inventory.Errorf(inventory.ErrUnavailable, "names are not answered: %w", err)
	}
	return err
}

// ensureRole leaves a role of this version with the right sockets and zone. Called with steer held.
//
// Replacing one is safe at every instant. The new role listens on net.sock.new until the old one
// has exited, and gets its path then; a crash before leaves both serving the same sockets, and the
// next agent ends the new one and begins again; a crash after leaves only the new one, which is
// found under its first path.
func (s *Service) ensureRole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ensureTime)
	defer cancel()
	path := s.controlPath()
	c, err := s.dial(ctx, path)
	if err := s.unlessGone(ctx, err); err != nil {
		return err
	}
	next, nextErr := s.dial(ctx, path+".new")
	if err := s.unlessGone(ctx, nextErr); err != nil {
		return err
	}
	switch {
	case c == nil && next != nil:
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("take over the net role: %w", err)
		}
		c = next
	case next != nil:
		if err := s.quit(ctx, next, path+".new"); err != nil {
			return err
		}
	}
	if c == nil {
		if c, err = s.launch(ctx, path); err != nil {
			return err
		}
	}
	if c.Info().Version != s.cfg.Version {
		return s.replace(ctx, c)
	}
	return s.take(ctx, c)
}

// replace puts a role of this version in the place of old.
func (s *Service) replace(ctx context.Context, old *role.Client) error {
	defer old.Close()
	path := s.controlPath()
	sockets, err := old.Handover(ctx)
	if err != nil {
		// One that can't hand over is from before there was this protocol, or broken.
		s.log.Warn("the old net role keeps its sockets; names are away for a moment", "err", err)
		if err := s.quit(ctx, old, path); err != nil {
			return err
		}
		next, err := s.launch(ctx, path)
		if err != nil {
			return err
		}
		return s.take(ctx, next)
	}
	defer closeSockets(sockets)
	next, err := s.launch(ctx, path+".new")
	if err != nil {
		return err
	}
	zone, err := s.zoneNow()
	if err != nil {
		next.Close()
		return err
	}
	if err := errors.Join(next.SetZone(ctx, zone), next.SetSockets(ctx, sockets, nil)); err != nil {
		next.Close()
		return fmt.Errorf("hand over to a new net role: %w", err)
	}
	s.log.Info("replaced the net role", "was", old.Info().Version, "is", s.cfg.Version)
	if err := s.quit(ctx, old, path); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("hand over to a new net role: %w", err)
	}
	return s.take(ctx, next)
}

func (s *Service) zoneNow() ([]byte, error) {
	z := s.zone()
	z.Serial = s.nextSerial()
	return json.Marshal(z)
}

// take makes c the role: zone first, so that no socket is ever answered from an old one.
func (s *Service) take(ctx context.Context, c *role.Client) error {
	if s.client != nil && s.client != c {
		s.client.Close()
	}
	s.client, s.acked = c, nil
	if !s.planned() {
		return nil // until the first Ensure the role goes on as it is
	}
	return errors.Join(s.push(ctx), s.syncSockets(ctx))
}

// syncSockets gives the role the sockets it lacks and takes away those nobody needs. One that can't
// be bound doesn't keep the others from being served. Called with steer held.
func (s *Service) syncSockets(ctx context.Context) error {
	nets, have := s.networks(), s.client.Info().Sockets
	want := slices.Concat(socketNames(nets), packetNames(nets), s.listenNames())
	var added []names.Socket
	var errs []error
	defer func() { closeSockets(added) }()
	for _, name := range want {
		if slices.Contains(have, name) {
			continue
		}
		socket, err := bindSocket(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		added = append(added, socket)
	}
	extra := slices.ContainsFunc(have, func(name string) bool { return !slices.Contains(want, name) })
	if len(added) > 0 || extra {
		ctx, cancel := context.WithTimeout(ctx, helloTime)
		defer cancel()
		errs = append(errs, s.client.SetSockets(ctx, added, want))
	}
	return errors.Join(errs...)
}

// resteer tells a role that runs of changed networks or upstreams; without one there is nothing to do.
func (s *Service) resteer(ctx context.Context) error {
	s.steer.lock()
	defer s.steer.unlock()
	if s.client == nil {
		return nil
	}
	return errors.Join(s.push(ctx), s.syncSockets(ctx))
}

// planned reports whether it is known which networks there are.
func (s *Service) planned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nets != nil
}

// dial returns errNoRole when nobody listens.
func (s *Service) dial(ctx context.Context, path string) (*role.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	c, err := role.Dial(ctx, path)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoRole
	}
	return c, err
}

// unlessGone forgives that no role is there, and kills one that hangs: its sockets would keep every
// question, and a new role could not have them.
func (s *Service) unlessGone(ctx context.Context, err error) error {
	var hung *role.HungError
	switch {
	case err == nil || errors.Is(err, errNoRole):
		return nil
	case errors.As(err, &hung):
		defer hung.Process.Close()
		if ctx.Err() != nil {
			return err
		}
		s.log.Error("the net role hangs and is killed", "pid", hung.Process.PID, "err", hung.Err)
		return hung.Process.Kill(ctx)
	}
	return err
}

// quit ends a role, kindly first.
func (s *Service) quit(ctx context.Context, c *role.Client, path string) error {
	defer c.Close()
	kind, cancel := context.WithTimeout(ctx, 2*helloTime)
	defer cancel()
	if err := c.Quit(kind); err != nil {
		if err := c.Kill(ctx); err != nil {
			return fmt.Errorf("end the net role: %w", err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close ends the background work and leaves the role running: for an agent that goes down.
func (s *Service) Close() {
	s.steer.lock()
	cancel := s.watching
	s.watching = nil
	s.steer.unlock()
	if cancel != nil {
		cancel()
	}
	s.watch.Wait()
	s.steer.lock()
	defer s.steer.unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// Stop ends the role too, whoever started it, and the host forgets the names. Bridges and rules stay.
func (s *Service) Stop(ctx context.Context) error {
	s.Close()
	s.steer.lock()
	defer s.steer.unlock()
	errs := []error{s.forgetHostNames(ctx)}
	for _, path := range []string{s.controlPath(), s.controlPath() + ".new"} {
		c, err := s.dial(ctx, path)
		if err == nil {
			err = s.quit(ctx, c, path)
		} else if err = s.unlessGone(ctx, err); err == nil {
			os.Remove(path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func closeSockets(sockets []names.Socket) {
	for _, socket := range sockets {
		socket.File.Close()
	}
}
