package container

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// killTimeout bounds what should take milliseconds.
const killTimeout = 30 * time.Second

// prepareIntent is Prepare for verbs that change nothing but whether the container should run.
func (s *Service) prepareIntent(intent inventory.Intent) func(context.Context, *gate.Request) (*gate.Draft, error) {
	return func(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
		if err := r.Decode(&struct{}{}); err != nil {
			return nil, err
		}
		if err := notInTrash(r.Container); err != nil {
			return nil, err
		}
		if err := isDone(r, intent == inventory.IntentRun); err != nil {
			return nil, err
		}
		if intent == inventory.IntentRun {
			if err := s.mayRun(r.Container); err != nil {
				return nil, err
			}
		}
		d := s.intend(r.Container, intent)
		hours, err := s.hoursLine(ctx, r, r.Container)
		if err != nil {
			return nil, err
		}
		d.Effects = append(d.Effects, hours...)
		if intent == inventory.IntentStop {
			return d, nil
		}
		waits, err := s.waitLines(ctx, r.Container)
		if err != nil {
			return nil, err
		}
		d.Effects = append(d.Effects, waits...)
		if d.After != nil {
			if err := s.checkCapacity(ctx, r.Container, d.After); err != nil {
				return nil, err
			}
		}
		return s.place(ctx, r.Container, d)
	}
}

func notInTrash(c *inventory.Container) error {
	if c != nil && c.IsTrashed() {
		return inventory.Errorf(inventory.ErrState, "%s is in the trash; 'lodge trash restore %s' brings it back", c.Ref(), c.Ref())
	}
	return nil
}

// intend drafts a change of intent, and no change where it is that already. A start the restart
// policy has planned is over: somebody has decided since.
func (s *Service) intend(c *inventory.Container, intent inventory.Intent) *gate.Draft {
	if c.Intent == intent {
		return &gate.Draft{Supersedes: []string{startVerb}}
	}
	after := c.Clone()
	after.Intent, after.UpdatedAt = intent, s.Now()
	return &gate.Draft{After: after, Effects: inventory.Diff(c, after, s.Config.Settings), Supersedes: []string{startVerb}}
}

// restartPolicy is the proof of who writes down what the restart policy decides.
const restartPolicy = "restart policy"

// prepareStop checks the parameters. What has stopped by itself can be stopped as long as it is
// meant to run: nobody starts it again then. That is also how the restart policy writes down that a
// container powered itself off; one that was started meanwhile is none of its business.
func (s *Service) prepareStop(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, err := s.stopArgs(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.leaseOver(r, r.Container.RunUntil); err != nil {
		return nil, err
	}
	if err := isDone(r, false); err != nil && r.Container.Intent == inventory.IntentStop {
		return nil, err
	}
	live, bySelf := r.Observed.State.IsLive(), r.Principal.Proof == restartPolicy
	switch {
	case live && bySelf:
		return nil, inventory.Errorf(inventory.ErrState, "%s runs again", r.Container.Ref())
	case !live && r.Container.Intent == inventory.IntentStop && !bySelf:
		return nil, inventory.Errorf(inventory.ErrState, "%s is %s already", r.Container.Ref(), r.Observed.State)
	}
	d := s.intend(r.Container, inventory.IntentStop)
	d.Args = args
	hours, err := s.hoursLine(ctx, r, r.Container)
	d.Effects = append(d.Effects, hours...)
	return d, err
}

func (s *Service) prepareRestart(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, err := s.stopArgs(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.mayRun(r.Container); err != nil {
		return nil, err
	}
	d := s.intend(r.Container, inventory.IntentRun)
	d.Args = args
	return d, nil
}

// stopArgs reads the parameters and settles the timeout.
func (s *Service) stopArgs(ctx context.Context, r *gate.Request) (args inventory.StopArgs, err error) {
	if err := r.Decode(&args); err != nil {
		return args, err
	}
	if err := notInTrash(r.Container); err != nil {
		return args, err
	}
	if args.Timeout == "" {
		args.Timeout, err = s.value(ctx, r.Container, "stop.timeout")
		return args, err
	}
	d, err := inventory.ParseDuration(args.Timeout)
	if err == nil && d <= 0 {
		err = inventory.Errorf(inventory.ErrInvalid, "a timeout of %s is no time to stop; use 'lodge kill'", args.Timeout)
	}
	return args, err
}

func (s *Service) start(ctx context.Context, r *gate.Run) error {
	r.Progress(60, "starting")
	b, err := s.boot(ctx, r.Container())
	if err != nil {
		return err
	}
	if r.Resumed && s.Observer.State(r.Container()).IsLive() {
		return nil
	}
	if err := s.powerOn(ctx, b); err != nil {
		s.startAgain(ctx, r, err)
		return err
	}
	s.changed(r.Container(), inventory.StateRunning, r.Operation.ID)
	return nil
}

// startAgain lets the restart policy go on after a start that nobody asked for has failed. Its init
// never ran, so nothing else would tell that it is down.
func (s *Service) startAgain(ctx context.Context, r *gate.Run, why error) {
	if r.Operation.Principal.Kind != inventory.KindSystem || ctx.Err() != nil {
		return
	}
	s.retry(ctx, r.Container(), why)
}

// retry has the restart policy try again to start what should run and could not be started.
func (s *Service) retry(ctx context.Context, c *inventory.Container, why error) {
	if policy, err := s.value(ctx, c, "restart.policy"); err == nil && policy != "never" {
		s.restartLater(ctx, c, Exit{Container: c.ID, At: s.Now(), Reason: why.Error()}, firstPause)
	}
}

// unstart undoes a start: what was not running before does not run after.
func (s *Service) unstart(ctx context.Context, r *gate.Run) error { return s.kill(ctx, r) }

func (s *Service) stop(ctx context.Context, r *gate.Run) error {
	var args inventory.StopArgs
	if err := json.Unmarshal(r.Operation.Args, &args); err != nil {
		return err
	}
	timeout, err := inventory.ParseDuration(args.Timeout)
	if err != nil {
		return err
	}
	if err := s.noteRan(r); err != nil {
		return err
	}
	return s.stopWithin(ctx, r, timeout, args.Kill)
}

func (s *Service) stopWithin(ctx context.Context, r *gate.Run, timeout time.Duration, kill bool) error {
	c := r.Container()
	state := s.Observer.State(c)
	if !state.IsLive() {
		return nil
	}
	r.Progress(-1, "waiting up to %s for init to end", timeout)
	if state == inventory.StateFrozen || state == inventory.StateFreezing { // a frozen init hears no signal
		if err := s.Power.Unfreeze(ctx, c); err != nil {
			return err
		}
	}
	if err := s.Power.Stop(ctx, c, timeout, kill); err != nil {
		return errors.Join(err, r.Save(haltingKey, true))
	}
	s.changed(c, inventory.StateStopped, r.Operation.ID)
	return nil
}

// kill ends every process at once. A container that does not run is as killed as it gets.
func (s *Service) kill(ctx context.Context, r *gate.Run) error {
	c := r.Container()
	if !s.Observer.State(c).IsLive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	if err := s.Power.Kill(ctx, c); err != nil {
		return err
	}
	s.changed(c, inventory.StateStopped, r.Operation.ID)
	return nil
}

func (s *Service) freeze(ctx context.Context, r *gate.Run) error {
	if err := s.Power.Freeze(ctx, r.Container()); err != nil {
		return err
	}
	s.changed(r.Container(), inventory.StateFrozen, r.Operation.ID)
	return nil
}

func (s *Service) unfreeze(ctx context.Context, r *gate.Run) error {
	if !s.Observer.State(r.Container()).IsLive() {
		return nil
	}
	if err := s.Power.Unfreeze(ctx, r.Container()); err != nil {
		return err
	}
	s.changed(r.Container(), inventory.StateRunning, r.Operation.ID)
	return nil
}

// changed tells watchers of a new state. Losing such an event loses nothing but the notice.
func (s *Service) changed(c *inventory.Container, state inventory.State, op inventory.OperationID) {
	data, _ := json.Marshal(map[string]string{"state": string(state)})
	write := s.Store.AppendEvent
	if op != "" || state == inventory.StateStopping { // what ends either is durable and comes after
		write = s.Store.NoteEvent
	}
	err := write(context.Background(), inventory.Event{At: s.Now(), Type: "container.state",
		Container: c.ID, Name: c.Name, Project: c.Project, Operation: op, Data: data})
	if err != nil {
		s.Log.Warn("a state event is lost", "name", c.Name, "state", state, "error", err)
	}
}
