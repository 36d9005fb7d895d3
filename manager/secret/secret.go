// Package secret keeps values for what the agent does (keys, passwords, certificates), each sealed
// with age by one host key, ROOT/keys/host.key. A value comes in through the door, which seals it
// before the gate, the store or the journal see it; it is opened for its use alone, and every use is
// in the journal. docs/security.md says what that protects against, and what not.
//
// Rotation adds a key in front, seals everything by it, and forgets the old one; whatever step a crash
// hits, every secret can be opened by a key that is there.
package secret

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what the service is made of. All fields are required but Facts, which Use sets where the
// gate is built from the service's verbs.
type Config struct {
	Store store
	Keys  *Keyring
	Facts facts
	Now   func() time.Time
}

// store keeps the rows.
type store interface {
	Secrets(ctx context.Context) ([]inventory.Secret, error)
	SaveSecret(ctx context.Context, s inventory.Secret) error
	DeleteSecret(ctx context.Context, name string) error
	ResealSecret(ctx context.Context, name, from, to string) error
	UsedSecret(ctx context.Context, name string, use inventory.SecretUse) error
}

// facts makes a record durable.
type facts interface {
	Fact(ctx context.Context, rec inventory.Record) error
}

// A Service has the verbs. Safe for concurrent use.
type Service struct {
	Config
	writing sync.Mutex // keeps the key a value is sealed by from being forgotten before it is saved
}

// New returns a service without side effects.
func New(cfg Config) *Service { return &Service{Config: cfg} }

// Use sets where uses are recorded. It has to be called before the first Reveal.
func (s *Service) Use(f facts) { s.Facts = f }

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	row := func(name, command string, risk inventory.Risk) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightSecret, Mode: gate.ModeOperation, Command: command, Risk: risk,
			Recovery: gate.RecoverFinish, Subject: subject}
	}
	set, remove := row("secret.set", "secret set", inventory.RiskMedium), row("secret.delete", "secret delete", inventory.RiskHigh)
	set.Prepare, set.Steps = s.prepareSet, []gate.Step{{Name: "save", Do: s.set}}
	remove.Prepare, remove.Steps = s.prepareDelete, []gate.Step{{Name: "save", Do: s.delete}}
	remove.Interrupts = "what uses it goes on without"
	rotate := row("secret.rotate", "secret rotate", inventory.RiskMedium)
	rotate.Subject = func(*gate.Request) (string, string, error) { return "secrets", "host key", nil }
	rotate.Prepare = func(context.Context, *gate.Request) (*gate.Draft, error) {
		return &gate.Draft{Effects: []inventory.EffectLine{{Field: "host key", After: "another", Effect: inventory.EffectLive,
			Note: "every secret is sealed anew"}}}, nil
	}
	rotate.Steps = []gate.Step{{Name: "key", Do: s.addKey}, {Name: "reseal", Do: s.reseal}, {Name: "forget", Do: s.forget}}
	return []gate.Verb{{Name: "secret.view", Right: inventory.RightSecret, Mode: gate.ModeRead, Risk: inventory.RiskLow,
		Command: "secret list"}, set, remove, rotate}
}

func subject(r *gate.Request) (subject, name string, err error) {
	var args inventory.SecretArgs
	err = r.Decode(&args)
	return "secret:" + args.Name, args.Name, err
}

// Seal returns a value as the parameters of secret.set have it.
func (s *Service) Seal(value []byte) (string, error) {
	if len(value) == 0 || len(value) > inventory.MaxSecret {
		return "", inventory.Errorf(inventory.ErrInvalid, "a secret has 1 to %d bytes, this one has %d", inventory.MaxSecret, len(value))
	}
	sealed, err := s.Keys.Seal(value)
	return base64.StdEncoding.EncodeToString(sealed), err
}

// open returns the value of what Seal made.
func (s *Service) open(text string) (value []byte, current bool, err error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, false, inventory.Errorf(inventory.ErrInvalid, "that is no sealed value")
	}
	return s.Keys.Open(sealed)
}

// Reveal returns a secret's value for a use, which is recorded before: by says whose. ErrNotFound if
// there is none of the name.
func (s *Service) Reveal(ctx context.Context, name, by string) ([]byte, error) {
	x, ok, err := s.find(ctx, name)
	if err == nil && !ok {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no secret %s", name)
	}
	if err != nil {
		return nil, err
	}
	if err := s.Facts.Fact(ctx, inventory.Record{Verb: "secret.read", Principal: inventory.System(by), Subject: "secret:" + name,
		Name: name, Result: "read by " + by}); err != nil {
		return nil, err
	}
	if err := s.Store.UsedSecret(ctx, name, inventory.SecretUse{By: by, Last: s.Now().UTC()}); err != nil {
		return nil, err
	}
	value, _, err := s.open(x.Sealed)
	return value, err
}

// List are all secrets, without their values.
func (s *Service) List(ctx context.Context) ([]inventory.Secret, error) {
	all, err := s.Store.Secrets(ctx)
	for i := range all {
		all[i].Sealed = ""
	}
	return all, err
}

func (s *Service) find(ctx context.Context, name string) (inventory.Secret, bool, error) {
	all, err := s.Store.Secrets(ctx)
	i := slices.IndexFunc(all, func(x inventory.Secret) bool { return x.Name == name })
	if err != nil || i < 0 {
		return inventory.Secret{Name: name}, false, err
	}
	return all[i], true, nil
}

func usesText(uses []inventory.SecretUse) string {
	var by []string
	for _, u := range uses {
		by = append(by, u.By)
	}
	return strings.Join(by, ", ")
}
