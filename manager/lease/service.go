package lease

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Host  inventory.HostID
	Store store
	Rules rules
	Now   func() time.Time
	Log   *slog.Logger
}

// store has the containers, and what is to become of them.
type store interface {
	// Leased returns the host's containers that have a lease, those in the trash too.
	Leased(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
	// NoteLeaseWarning gives a warning with its event, unless it was given.
	NoteLeaseWarning(ctx context.Context, w inventory.LeaseWarning) error
	deadlines
}

type deadlines interface {
	// AllWaiting returns the deadlines of every container that the principal made and that wait.
	AllWaiting(ctx context.Context, principal string) ([]inventory.Deadline, error)
	// DeadlinesSince returns those of that verb due at since or later, over or not.
	DeadlinesSince(ctx context.Context, id inventory.ContainerID, verb string, since time.Time) ([]inventory.Deadline, error)
	// EndDeadline notes the outcome; ErrStale if it has one already.
	EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error
}

// rules are what settings say about the leases of a project's containers.
type rules interface {
	LeaseRules(ctx context.Context, project string) (inventory.LeaseRules, error)
}

// A Service has the verbs and ends leases. Safe for concurrent use.
type Service struct {
	Config
	gate *gate.Gate

	mu     sync.Mutex // guards what follows
	warned map[inventory.ContainerID]bool
	given  map[warning]bool                    // so that nothing is written for what was said already
	tried  map[inventory.ContainerID]time.Time // when an end that did not come about was last asked for
}

// New returns a service without side effects.
func New(cfg Config) *Service {
	return &Service{Config: cfg, warned: map[inventory.ContainerID]bool{}, tried: map[inventory.ContainerID]time.Time{}}
}

// Use gives the service the gate its deadlines have to pass. It is called once, before Keep.
func (s *Service) Use(g *gate.Gate) { s.gate = g }

// Warned reports whether a warning was given that the container's lease ends.
func (s *Service) Warned(id inventory.ContainerID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warned[id]
}

// Settings returns the rows about leases.
func Settings() []inventory.Setting {
	row := func(name string, kind inventory.SettingType, value, doc string) inventory.Setting {
		return inventory.Setting{Name: name, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject},
			Type: kind, Default: value, Effect: inventory.EffectLive, Risk: inventory.RiskMedium, Doc: doc}
	}
	return []inventory.Setting{
		row(inventory.LeaseDefault, inventory.TypeDuration, "0s",
			"How long a new container is kept that asks for no lease; 0s keeps it for ever, unless lease.max or lease.total bound that."),
		row(inventory.LeaseMax, inventory.TypeDuration, "0s",
			"The furthest ahead the end of a lease may be set or extended to; 0s sets no bound. With one, a new container always has a lease."),
		row(inventory.LeaseTotal, inventory.TypeDuration, "0s",
			"The longest a container may be kept since it was created, however often its lease is extended; 0s sets no bound."),
		row(inventory.LeaseWarn, inventory.TypeDurations, "7d,1d",
			"How long before its end a lease says so, by the event lease.warning and in lists; several with commas between."),
		row(inventory.LeaseGrace, inventory.TypeDuration, "168h0m0s",
			"How long a container is kept that comes back from the trash after its lease has ended."),
	}
}

const extendVerb = "lease.extend"

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	verb := func(name, command string, risk inventory.Risk, prepare func(context.Context, *gate.Request) (*gate.Draft, error)) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightManage, Mode: gate.ModeOperation, Command: command, Risk: risk,
			Recovery: gate.RecoverFinish, Prepare: prepare, Steps: []gate.Step{{Name: "deadlines", Do: s.follow}}}
	}
	return []gate.Verb{
		verb("lease.set", "lease set", inventory.RiskMedium, s.prepareSet),
		verb(extendVerb, "lease extend", inventory.RiskLow, s.prepareExtend),
		verb("lease.clear", "lease clear", inventory.RiskMedium, s.prepareClear),
	}
}

// follow makes the deadlines that the row asks for, so that they are there when the operation is done.
func (s *Service) follow(ctx context.Context, _ *gate.Run) error { return s.Look(ctx) }
