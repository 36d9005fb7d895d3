package container

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// The verbs whose deadlines others put an end to.
const (
	purgeVerb = "container.purge"
	startVerb = "container.start" // by the restart policy
)

// prepareDelete drafts the way to the trash: stopped, hidden, everything kept until a deadline.
func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	if err := r.Decode(&struct{}{}); err != nil {
		return nil, err
	}
	if r.Container.IsTrashed() {
		return nil, inventory.Errorf(inventory.ErrState,
			"%s is in the trash already; 'lodge trash purge %s' removes it for good", r.Container.Ref(), r.Container.Ref())
	}
	if err := s.leaseOver(r, r.Container.ExpiresAt); err != nil {
		return nil, err
	}
	above, err := s.above(ctx, r.Container.Project)
	if err != nil {
		return nil, err
	}
	values := inventory.ValueMap(s.Config.Settings.InForce(inventory.ScopeProject, above...))
	keep, err := inventory.ParseDuration(values["trash.keep"])
	if err != nil {
		return nil, err
	}
	after := r.Container.Clone()
	after.Intent, after.TrashedAt, after.UpdatedAt = inventory.IntentStop, s.Now().UTC(), s.Now()
	d := &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, s.Config.Settings)}
	if r.Observed.State.IsLive() {
		d.Interrupts = "the container stops"
	}
	purge := after.TrashedAt.Add(keep)
	for i := range d.Effects { // no instant: a plan that waits for an approval is the same then
		if d.Effects[i].Field == "trashed" {
			d.Effects[i].After = "yes"
		}
	}
	d.Effects = append(d.Effects, inventory.EffectLine{Field: "purge",
		After: inventory.DurationText(keep) + " later", Note: "until then 'lodge trash restore' brings it back"})
	d.Deadlines = []inventory.Deadline{s.deadline(after, purgeVerb, purge,
		inventory.PurgeArgs{TrashedAt: after.TrashedAt},
		inventory.System("trash"), "its time in the trash ended")}
	d.Supersedes = []string{purgeVerb, startVerb}
	return d, nil
}

// prepareUntrash drafts the way back, to what it was meant to do when it was deleted. The deadline
// of its purge is over.
func (s *Service) prepareUntrash(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.RestoreArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if !r.Container.IsTrashed() {
		return nil, inventory.Errorf(inventory.ErrState, "%s is not in the trash", r.Container.Ref())
	}
	after := r.Container.Clone()
	after.TrashedAt, after.UpdatedAt = time.Time{}, s.Now()
	if err := s.renamed(ctx, after, args.Name); err != nil {
		return nil, err
	}
	intent, err := s.intentBefore(ctx, r.Container)
	if err != nil {
		return nil, err
	}
	after.Intent = intent
	lease, err := s.lendAgain(ctx, after, &args.Until)
	if err != nil {
		return nil, err
	}
	if err := s.checkCapacity(ctx, r.Container, after); err != nil {
		return nil, err
	}
	d := &gate.Draft{After: after, Args: args, Effects: append(inventory.Diff(r.Container, after, s.Config.Settings), lease...),
		Supersedes: []string{purgeVerb}}
	if after.Intent == inventory.IntentRun {
		d.Effects = append(d.Effects, inventory.EffectLine{Field: "state", Before: "stopped",
			After: "running", Note: "it ran when it was deleted, and starts again"})
	}
	return s.place(ctx, after, d)
}

// renamed gives after another name, if one is asked for.
func (s *Service) renamed(ctx context.Context, after *inventory.Container, name string) error {
	if name == "" || name == after.Name {
		return nil
	}
	after.Name = name
	if err := inventory.CheckName("the container", name); err != nil {
		return err
	}
	return s.checkNew(ctx, after)
}

// intentBefore is what a container in the trash was meant to do before it went there.
func (s *Service) intentBefore(ctx context.Context, c *inventory.Container) (inventory.Intent, error) {
	history, err := s.Store.History(ctx, c.ID)
	if err != nil {
		return "", err
	}
	for _, h := range history { // the newest first
		if h.Container != nil && !h.Container.IsTrashed() {
			return h.Container.Intent, nil
		}
	}
	return c.Intent, nil
}

// startUntrashed starts what is back and ran. Data that can't be started is back all the same: the
// result says so, and the restart policy goes on trying.
func (s *Service) startUntrashed(ctx context.Context, r *gate.Run) error {
	c := r.After
	if c.Intent != inventory.IntentRun || s.Observer.State(c).IsLive() {
		return nil
	}
	r.Progress(60, "starting")
	b, err := s.boot(ctx, c)
	if err == nil {
		err = s.Power.Start(ctx, b)
	}
	if err != nil {
		s.note(ctx, c, "container.unbooted", err.Error())
		s.retry(ctx, c, err)
		return r.Result(map[string]string{"down": err.Error()})
	}
	s.changed(c, inventory.StateRunning, r.Operation.ID)
	return nil
}

// preparePurge drafts the end. A deadline purges only what still lies in the trash, and lies there
// since it was put there for that deadline: it may have been restored and deleted again meanwhile.
func (s *Service) preparePurge(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.PurgeArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if r.Principal.Kind == inventory.KindSystem && (!r.Container.IsTrashed() || !args.TrashedAt.Equal(r.Container.TrashedAt)) {
		return nil, inventory.Errorf(inventory.ErrState, "%s has left the trash since %s",
			r.Container.Ref(), args.TrashedAt.Format(time.RFC3339))
	}
	if !r.Container.IsTrashed() && !args.Direct {
		return nil, inventory.Errorf(inventory.ErrState,
			"%s is not in the trash; 'lodge delete %s' puts it there, 'lodge delete --purge %s' removes it for good at once",
			r.Container.Ref(), r.Container.Ref(), r.Container.Ref())
	}
	d := &gate.Draft{Remove: true, Effects: []inventory.EffectLine{
		{Field: "container", Before: r.Container.Ref().String(), Note: "gone for good, with its data, snapshots and addresses"}}}
	return d, nil
}

// stopForGood stops what goes to the trash: gracefully as long as its stop.timeout, then not.
func (s *Service) stopForGood(ctx context.Context, r *gate.Run) error {
	return s.stopGracefully(ctx, r, r.After)
}

func (s *Service) deadline(c *inventory.Container, verb string, due time.Time, args any,
	p inventory.Principal, reason string) inventory.Deadline {
	return inventory.Deadline{ID: inventory.DeadlineID(inventory.NewID(s.Now())), Due: due.UTC(),
		Verb:      verb,
		Container: c.ID, Args: s.encode(args), Principal: p, Missed: inventory.MissedRun, Reason: reason}
}
