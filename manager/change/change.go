// Package change keeps the plans that wait for others: approvals by distinct persons, a window, a
// cooling-off time. A change is submitted, approved, perhaps scheduled, and then released: the gate
// runs begin again in full for its requester, and a plan that would now be another is void. From
// then on its state follows its operation, in the transactions that admit and end that.
//
// Everything a crash may leave is taken up by Tend: a change that is approved and has not begun is
// released again, under an idempotency key made of its id. What is decided is in the audit journal
// before it holds; a crash between the two leaves a record of something that did not come about, and
// whoever decided decides again.
package change

import (
	"context"
	"log/slog"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Store keeps the changes.
type Store interface {
	changes
	queries
	containers
	windows
}

type changes interface {
	// AddChange gives the change its number.
	AddChange(ctx context.Context, c inventory.Change) (inventory.Change, error)
	// Change finds one by id or number; ErrNotFound if there is none.
	Change(ctx context.Context, id inventory.ChangeID) (inventory.Change, error)
	// UpdateChange replaces the row if it is still at c's revision; ErrStale otherwise. A change that
	// is scheduled has a deadline for that, others have none.
	UpdateChange(ctx context.Context, c inventory.Change) (inventory.Change, error)
}

type queries interface {
	WaitingChanges(ctx context.Context) ([]inventory.Change, error)
	OpenReviews(ctx context.Context) ([]inventory.Change, error)
	ChangeOfKey(ctx context.Context, principal, verb, key string) (c inventory.Change, ok bool, err error)
}

type containers interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	HostSettings(ctx context.Context) (map[string]string, error)
}

// door is the gate, as what it holds comes back to it.
type door interface {
	Release(ctx context.Context, c inventory.Change, agreed []inventory.Approval) (gate.Answer, error)
	Replan(ctx context.Context, c inventory.Change) (*inventory.Plan, error)
	Fact(ctx context.Context, rec inventory.Record) error
}

// people says who somebody is now, whatever they were when they decided.
type people interface {
	// HasRole reports whether p has the role on c; nil is what is on no container.
	HasRole(p inventory.Principal, role string, c *inventory.Container) bool
	// SSHKeys are the keys registered for p; none for who is no user.
	SSHKeys(p inventory.Principal) []inventory.SSHKey
}

// Config is what a service is made of. All fields but Boundary are required.
type Config struct {
	Store  Store
	Rights gate.Rights
	People people
	Log    *slog.Logger
	Now    func() time.Time
	// Boundary, when set, is called between any two writes; a test kills the process there.
	Boundary func(verb, step, edge string)
}

// Service keeps and decides changes. Safe for concurrent use: of two decisions at once about one
// change the second finds it moved (ErrStale).
type Service struct {
	Config
	gate door
}

// New returns a service without side effects; Use has to come before anything else.
func New(cfg Config) *Service {
	if cfg.Boundary == nil {
		cfg.Boundary = func(verb, step, edge string) {}
	}
	return &Service{Config: cfg}
}

// Use gives the service its gate.
func (s *Service) Use(g door) { s.gate = g }

// subject is the container a change is about, as it is now; else what is known of it, for what does
// not exist yet. Nil for what is on no container.
func (s *Service) subject(ctx context.Context, c inventory.Change) *inventory.Container {
	if c.Plan.Container != "" {
		if now, err := s.Store.Container(ctx, inventory.Ref{Name: string(c.Plan.Container)}); err == nil {
			return now
		}
	}
	if c.Environment == "" {
		return nil
	}
	return &inventory.Container{ID: c.Plan.Container, Name: c.Name, Project: c.Project, Environment: c.Environment}
}

// record tells the journal what p did about a change.
func (s *Service) record(ctx context.Context, c inventory.Change, verb string, p inventory.Principal, result string) error {
	return s.gate.Fact(ctx, recordOf(c, verb, p, result))
}

func recordOf(c inventory.Change, verb string, p inventory.Principal, result string) inventory.Record {
	return inventory.Record{Verb: verb, Principal: p, Subject: c.Plan.Subject, Name: c.Name, Project: c.Project,
		Change: c.ID, Operation: c.Operation, Reason: c.Reason, Ticket: c.Ticket, Plan: c.Plan.Digest, Result: result}
}

// deny records that the caller may not; one that can't be recorded stays a refusal.
func (s *Service) deny(ctx context.Context, c inventory.Change, verb string, p inventory.Principal, why string) error {
	err := inventory.Errorf(inventory.ErrDenied, "%s may not %s %s: %s", p.Name, verb, c.Label(), why)
	rec := recordOf(c, verb, p, err.Error())
	rec.Kind = inventory.RecordRefusal
	if failed := s.gate.Fact(ctx, rec); failed != nil {
		s.Log.Error("refusal not recorded", "verb", verb, "error", failed)
	}
	return err
}
