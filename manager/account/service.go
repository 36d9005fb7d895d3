package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/account/guest"
)

// Config is what a service is made of. All fields are required.
type Config struct {
	Helper  string // path of lodge-lxc
	LXCPath string // where liblxc finds containers
	Host    inventory.HostID
	Store   store
	Rights  rights
	Journal journal
	// Observer tells a running container from a stopped one, whose files are reached in another way.
	Observer observer
	// Rootfs returns where a container's root file system lies on the host; "" where it is not there.
	Rootfs func(c *inventory.Container) string
	// Settings are those of projects and the host.
	Settings layers
	Log      *slog.Logger
	Now      func() time.Time
}

// store keeps what Lodge made.
type store interface {
	// UnixUID gives a user their uid, the first time they need one.
	UnixUID(ctx context.Context, user inventory.UserID) (int, error)
	UnixAccounts(ctx context.Context, c inventory.ContainerID, user inventory.UserID) ([]inventory.UnixAccount, error)
	SaveUnixAccount(ctx context.Context, a inventory.UnixAccount) error
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
}

// rights say who may enter a container now.
type rights interface {
	Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool
}

// A journal makes a record durable before Append returns.
type journal interface {
	Append(ctx context.Context, r inventory.Record) (seq int64, err error)
}

// An observer measures a container; it never blocks.
type observer interface {
	Observe(c *inventory.Container) inventory.Observed
}

// layers are the settings above a container.
type layers interface {
	// Layers returns what the project and the host set, in this order.
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

// key names an account.
type key struct {
	container inventory.ContainerID
	user      inventory.UserID
}

// A Service makes and locks accounts. Safe for concurrent use.
type Service struct {
	Config
	turns sync.Map // of *sync.Mutex by container: one account is made at a time

	mu    sync.Mutex        // guards what follows
	seen  map[key]marks     // of accounts that were found open
	shut  map[key]marks     // of accounts that were found locked
	later map[key]time.Time // accounts that could not be locked, and when that is tried again
}

// New returns a service without side effects.
func New(cfg Config) *Service {
	return &Service{Config: cfg, seen: map[key]marks{}, shut: map[key]marks{}, later: map[key]time.Time{}}
}

// turn waits until nobody else edits the container's accounts.
func (s *Service) turn(c inventory.ContainerID) (done func()) {
	m, _ := s.turns.LoadOrStore(c, new(sync.Mutex))
	m.(*sync.Mutex).Lock()
	return m.(*sync.Mutex).Unlock
}

// verbs name the records of the journal.
const (
	verbMake   = "account.make"
	verbUnlock = "account.unlock"
	verbLock   = "account.lock"
)

// Ensure sees to it that a user has their own account in a running container, and that it is open.
// Nothing is done for who is no user, or where session.accounts is off. ErrExists when the container has
// an account of that name that Lodge did not make: it is left as it is.
func (s *Service) Ensure(ctx context.Context, p inventory.Principal, c *inventory.Container, by inventory.SessionID) error {
	if p.User == "" || p.Kind != inventory.KindPerson {
		return nil
	}
	k := key{c.ID, p.User}
	if s.isSeen(k, s.marks(c)) {
		return nil
	}
	made, err := s.isOn(ctx, c)
	if err != nil || !made {
		return err
	}
	if err := inventory.CheckUnixName(p.Name); err != nil {
		return err
	}
	defer s.turn(c.ID)()
	if !s.mayEnter(p.User, p.Name, c) {
		return nil // they come in by what the host says of them, which nobody could take back here
	}
	now := s.marks(c)
	if s.isSeen(k, now) {
		return nil // whoever had the turn before has made it
	}
	a, known, err := s.account(ctx, p, c)
	if err != nil {
		return err
	}
	state, err := s.run(ctx, guest.OpLook, a, known, c)
	if err != nil {
		return err
	}
	if state != guest.StateOpen {
		return s.open(ctx, p, c, by, a, known, state)
	}
	s.see(k, now)
	if a.State == inventory.UnixAccountOpen {
		return nil
	}
	return s.save(ctx, a, inventory.UnixAccountOpen)
}

// account is the row of an account, and whether there was one.
func (s *Service) account(ctx context.Context, p inventory.Principal, c *inventory.Container) (a inventory.UnixAccount, known bool, err error) {
	rows, err := s.Store.UnixAccounts(ctx, c.ID, p.User)
	if err != nil {
		return a, false, err
	}
	if len(rows) > 0 && rows[0].Name == p.Name {
		return rows[0], true, nil
	}
	uid, err := s.Store.UnixUID(ctx, p.User)
	return inventory.UnixAccount{Container: c.ID, User: p.User, Name: p.Name, UID: uid, CreatedAt: s.Now()}, false, err
}

// open makes an account, or takes its lock off.
func (s *Service) open(ctx context.Context, p inventory.Principal, c *inventory.Container, by inventory.SessionID,
	a inventory.UnixAccount, known bool, was guest.State) error {
	ctx = context.WithoutCancel(ctx)
	verb := verbMake
	if was == guest.StateLocked {
		verb = verbUnlock
	}
	return s.recorded(ctx, inventory.Record{Verb: verb, Principal: p, Session: by}, a, c, func() error {
		if !known {
			if err := s.save(ctx, a, inventory.UnixAccountMaking); err != nil {
				return err
			}
		}
		if _, err := s.run(ctx, guest.OpMake, a, true, c); err != nil {
			return err
		}
		return s.save(ctx, a, inventory.UnixAccountOpen)
	})
}

// recorded does something between its intent and its outcome in the journal.
func (s *Service) recorded(ctx context.Context, r inventory.Record, a inventory.UnixAccount, c *inventory.Container, do func() error) error {
	r.Subject, r.Name, r.Project = "container:"+string(c.ID), c.Name, c.Project
	r.Detail, _ = json.Marshal(map[string]any{"account": a.Name, "uid": a.UID, "user": a.User}) // strings and a number
	r.At, r.Kind = s.Now(), inventory.RecordIntent
	if _, err := s.Journal.Append(ctx, r); err != nil {
		return err
	}
	err := do()
	r.At, r.Kind, r.Result = s.Now(), inventory.RecordOutcome, "done"
	if err != nil {
		r.Result = "failed: " + err.Error()
	}
	_, failed := s.Journal.Append(ctx, r)
	return errors.Join(err, failed)
}

func (s *Service) save(ctx context.Context, a inventory.UnixAccount, state inventory.UnixAccountState) error {
	a.State, a.ChangedAt = state, s.Now()
	if err := s.Store.SaveUnixAccount(context.WithoutCancel(ctx), a); err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	return nil
}

// mayEnter reports whether a user may have a session in the container by a role of theirs, or as its owner.
func (s *Service) mayEnter(id inventory.UserID, name string, c *inventory.Container) bool {
	p := inventory.Principal{Name: name, Kind: inventory.KindPerson, User: id, Proof: "account", From: "agent"}
	return s.Rights.Allowed(p, inventory.RightSession, c)
}
