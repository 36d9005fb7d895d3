package schedule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	keepSetting = "snapshot.keep"
	keepDefault = "7d 4w"
	createVerb  = "snapshot.create"
	deleteVerb  = "snapshot.delete"

	// poll bounds how late a new schedule, or a clock that was set, is noticed.
	poll = 30 * time.Second
	// over is the outcome of a deadline that the schedule has no more.
	over = "the schedule changed"
	// because begins the reason of a deadline; the schedule follows.
	because = "schedule: "
	// slack is how far a clock may be put back without anything being done twice; what ran further in
	// the future than that ran by a clock that was wrong.
	slack = time.Hour
	// memory is how far back runs are looked for; the agent forgets deadlines at about that age.
	memory = 90 * 24 * time.Hour
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Host      inventory.HostID
	Store     store
	Deadlines deadlines
	Settings  settings
	Now       func() time.Time
	Log       *slog.Logger
}

type store interface {
	// ContainersOnHost returns them all, those in the trash too.
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
	// Snapshots returns a container's, oldest first.
	Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error)
	// Operation returns one; ErrNotFound if it is forgotten.
	Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error)
}

type deadlines interface {
	// AllWaiting returns the deadlines of every container that the principal made and that wait.
	AllWaiting(ctx context.Context, principal string) ([]inventory.Deadline, error)
	// DeadlinesSince returns those of that verb due at since or later, over or not, by their time.
	DeadlinesSince(ctx context.Context, id inventory.ContainerID, verb string, since time.Time) ([]inventory.Deadline, error)
	// EndDeadline notes the outcome; ErrStale if it has one already.
	EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error
}

// settings are those above the containers of a project.
type settings interface {
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

// A Service takes and removes snapshots by settings. Safe for concurrent use.
type Service struct {
	Config
	gate *gate.Gate

	tending sync.Mutex // one look at a time: two would both make what is missing
	mu      sync.Mutex // guards what follows
	trimmed map[inventory.ContainerID]trimming
	tried   map[point]time.Time // when a snapshot's end that did not come about was last asked for
}

// New returns a service without side effects.
func New(cfg Config) *Service {
	return &Service{Config: cfg, trimmed: map[inventory.ContainerID]trimming{}, tried: map[point]time.Time{}}
}

// Use gives the service the gate everything has to pass. It is called once, before Run.
func (s *Service) Use(g *gate.Gate) { s.gate = g }

// Settings returns the rows about schedules.
func Settings() []inventory.Setting {
	row := func(name string, kind inventory.SettingType, value string, risk inventory.Risk, doc string) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject, inventory.ScopeContainer},
			Type: kind, Default: value, Effect: inventory.EffectLive, Risk: risk, Doc: doc}
	}
	return []inventory.Setting{
		row(inventory.SnapshotSchedule, inventory.TypeSchedule, inventory.Never, inventory.RiskLow,
			"When snapshots are taken: hourly, daily 02:00, weekly sun 03:00, monthly 1 04:00, every 6h, or the five fields of cron; "+
				"behind it a time zone (UTC without one) and a time to spread containers over: daily 02:00 Europe/Berlin spread 30m."),
		row(keepSetting, inventory.TypeKeep, keepDefault, inventory.RiskMedium,
			"How many of the snapshots taken by schedule are kept: 3 24h 7d 4w 12m 2y are the last 3, 24 hourly, 7 daily, 4 weekly, 12 monthly "+
				"and 2 yearly ones; all keeps everything. Those taken by hand, and pinned ones, are kept besides."),
	}
}

// Run has schedules followed until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if err := s.Tend(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("snapshots are not taken by schedule now", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Tend gives every container that has a schedule its next deadline, takes away what is not right any
// more, and removes what is not to be kept. What fails for one container leaves the others alone.
func (s *Service) Tend(ctx context.Context) error {
	s.tending.Lock()
	defer s.tending.Unlock()
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	waiting, err := s.Deadlines.AllWaiting(ctx, inventory.SnapshotSchedule)
	if err != nil {
		return err
	}
	of := map[inventory.ContainerID][]inventory.Deadline{}
	for _, d := range waiting {
		of[d.Container] = append(of[d.Container], d)
	}
	s.forget(all)
	layers := map[string][]inventory.Layer{} // by project
	for _, c := range all {
		above, ok := layers[c.Project]
		if !ok {
			if above, err = s.Settings.Layers(ctx, c.Project); err != nil {
				return err
			}
			layers[c.Project] = above
		}
		if err := s.tend(ctx, c, above, of[c.ID]); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if errors.Is(err, errBusy) {
				continue
			}
			s.Log.Error("a container's schedule is not followed now", "name", c.Name, "error", err)
		}
	}
	return nil
}

func (s *Service) tend(ctx context.Context, c *inventory.Container, above []inventory.Layer, waiting []inventory.Deadline) error {
	p, err := policyOf(c, above)
	if err != nil {
		return err
	}
	if c.IsTrashed() {
		p.schedule = inventory.Schedule{}
	}
	if err := s.plan(ctx, c, p, waiting); err != nil {
		return err
	}
	return s.trim(ctx, c, p)
}

// A policy is what is in force for a container.
type policy struct {
	schedule inventory.Schedule
	keep     inventory.Keep
}

func policyOf(c *inventory.Container, above []inventory.Layer) (p policy, err error) {
	value := func(name, otherwise string) string {
		for _, layer := range append([]inventory.Layer{{Values: c.Settings}}, above...) {
			if text, ok := layer.Values[name]; ok {
				return text
			}
		}
		return otherwise
	}
	schedule, err := inventory.ParseSchedule(value(inventory.SnapshotSchedule, inventory.Never))
	if err != nil {
		return p, err
	}
	keep, err := inventory.ParseKeep(value(keepSetting, keepDefault))
	return policy{schedule, keep}, err
}

// plan leaves the container with the one deadline that is right.
func (s *Service) plan(ctx context.Context, c *inventory.Container, p policy, waiting []inventory.Deadline) error {
	now, reason := s.Now(), because+p.schedule.String()
	next, err := s.next(ctx, c, p.schedule, reason)
	if err != nil {
		return err
	}
	found := p.schedule.IsNever()
	for _, d := range waiting {
		if !found && d.Reason == reason && (d.Due.Equal(next) || !d.Due.After(now)) {
			found = true // what is due already is the gate's
			continue
		}
		if err := s.Deadlines.EndDeadline(ctx, d.ID, now, over); err != nil && !errors.Is(err, inventory.ErrStale) {
			return err
		}
	}
	if found {
		return nil
	}
	s.trimSoon(c.ID, now)
	slot := next.Add(-p.schedule.Delay(string(c.ID)))
	return s.gate.AddDeadline(ctx, inventory.Deadline{Due: next, Verb: createVerb, Container: c.ID,
		Args:      encode(inventory.SnapshotArgs{Name: "auto-" + slot.UTC().Format("20060102-150405"), Note: reason}),
		Principal: inventory.Scheduler(inventory.SnapshotSchedule), Missed: inventory.MissedRun, Reason: reason})
}

func encode(args inventory.SnapshotArgs) json.RawMessage {
	raw, _ := json.Marshal(args) // it holds nothing that can't be written
	return raw
}

// next is when the container's next snapshot is due. A clock that was put back a little does not
// bring back what has run.
func (s *Service) next(ctx context.Context, c *inventory.Container, schedule inventory.Schedule, reason string) (time.Time, error) {
	if schedule.IsNever() {
		return time.Time{}, nil
	}
	since := s.Now()
	ahead, err := s.Deadlines.DeadlinesSince(ctx, c.ID, createVerb, since)
	if err != nil {
		return time.Time{}, err
	}
	for _, d := range ahead {
		if d.Reason == reason && d.Began() != "" && d.Due.Sub(since) < slack {
			since = d.Due
		}
	}
	delay := schedule.Delay(string(c.ID))
	return schedule.Next(since.Add(-delay)).Add(delay), nil
}

// Runs returns the latest runs of a container's schedule, the one that is next among them, the newest
// first.
func (s *Service) Runs(ctx context.Context, id inventory.ContainerID, limit int) (runs []inventory.Run, err error) {
	all, err := s.Deadlines.DeadlinesSince(ctx, id, createVerb, s.Now().Add(-memory))
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0 && len(runs) < limit; i-- {
		d := all[i]
		if !d.Principal.IsSchedule(inventory.SnapshotSchedule) || d.Outcome == over {
			continue
		}
		run := inventory.Run{Due: d.Due, Began: d.Done, Outcome: cmp.Or(d.Outcome, "waits"), Operation: d.Began(), Schedule: strings.TrimPrefix(d.Reason, because)}
		if run.Operation != "" {
			if err := s.follow(ctx, &run); err != nil {
				return nil, err
			}
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// follow says how the operation of a run went.
func (s *Service) follow(ctx context.Context, run *inventory.Run) error {
	op, err := s.Store.Operation(ctx, run.Operation)
	if errors.Is(err, inventory.ErrNotFound) {
		run.Outcome = "done"
		return nil
	}
	if err != nil {
		return err
	}
	run.Began, run.Ended, run.Outcome = op.StartedAt, op.EndedAt, string(op.State)
	if op.Error != "" {
		run.Outcome += ": " + op.Error
	}
	return nil
}
