package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A call is one request about the directory as it is now. What it makes has the operation's own id and
// time of birth, so that a step that runs again makes the same.
type call struct {
	*inventory.Directory
	by inventory.Principal
	// container is the one the request is about; nil for most.
	container *inventory.Container
	id        string
	at        time.Time
	reason    string
	// certificates are those this host has signed, which the directory has not.
	certificates func(inventory.CertificateQuery) ([]inventory.Certificate, error)
}

// An outcome is what a verb's parameters come to: what is written, and how a plan shows it.
type outcome struct {
	edit    inventory.IdentityEdit
	effects []inventory.EffectLine
}

// A rule finds the outcome of parameters.
type rule[A any] func(c call, args A) (outcome, error)

// verb completes a row whose work is one write, and a look at the sessions of who may less by it.
// named is whom or what it is about.
func verb[A any](s *Service, row gate.Verb, named func(A) string, find rule[A]) gate.Verb {
	row.Mode, row.Recovery = gate.ModeOperation, gate.RecoverFinish
	kind, action, _ := strings.Cut(row.Name, ".")
	row.Subject = func(r *gate.Request) (string, string, error) {
		var args A
		err := r.Decode(&args)
		return kind + ":" + named(args), named(args), err
	}
	row.Prepare = func(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
		var args A
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		out, err := s.find(ctx, func(c call) (outcome, error) {
			c.by, c.id, c.at, c.reason = r.Principal, inventory.NewID(s.Now()), s.Now(), r.Reason
			c.container = r.Container
			return find(c, args)
		})
		if err != nil {
			return nil, err
		}
		return &gate.Draft{Args: args, Effects: out.effects}, s.Store.TryIdentity(ctx, out.edit)
	}
	save := func(ctx context.Context, r *gate.Run) error {
		var args A
		if err := r.Decode(&args); err != nil {
			return err
		}
		out, err := s.find(ctx, func(c call) (outcome, error) {
			op := r.Operation
			c.by, c.id, c.at, c.reason = op.Principal, string(op.ID), op.StartedAt, op.Reason
			c.container = r.Container()
			return find(c, args)
		})
		if errors.Is(err, inventory.ErrNotFound) && r.Resumed && takesAway[action] {
			return nil // the agent before had done it
		}
		if err != nil {
			return err
		}
		if err := s.Store.EditIdentity(ctx, out.edit); err != nil {
			return err
		}
		return s.Changed(ctx)
	}
	row.Steps = []gate.Step{{Name: "save", Do: save}, {Name: "sessions", Do: s.endSessions}}
	return row
}

// takesAway are what verbs do that may not find afterwards what they took.
var takesAway = map[string]bool{"delete": true, "remove": true, "revoke": true, "update": true}

func (s *Service) find(ctx context.Context, rule func(call) (outcome, error)) (outcome, error) {
	d, err := s.Store.Directory(ctx)
	if err != nil {
		return outcome{}, err
	}
	return rule(call{Directory: d, certificates: func(q inventory.CertificateQuery) ([]inventory.Certificate, error) {
		return s.Certificates.Certificates(ctx, q)
	}})
}

// user finds one by name; ErrNotFound if there is none.
func (c call) user(name string) (inventory.User, error) {
	m, _ := c.Named(name)
	u, ok := c.User(m.User)
	if !ok {
		return u, inventory.Errorf(inventory.ErrNotFound, "there is no user %s; 'lodge user list' shows them", name)
	}
	return u, nil
}

// group finds one by name; ErrNotFound if there is none.
func (c call) group(name string) (inventory.Group, error) {
	m, _ := c.Named(name)
	g, ok := c.Group(m.Group)
	if !ok {
		return g, inventory.Errorf(inventory.ErrNotFound, "there is no group %s; 'lodge group list' shows them", name)
	}
	return g, nil
}

// own is the user a verb about somebody's own things is for: the one named, or who calls. For others
// it takes a person with the right identity; a token never gets itself another way in.
func (s *Service) own(c call, name string) (inventory.User, error) {
	if name == "" {
		u, ok := c.User(c.by.User)
		if !ok {
			return u, inventory.Errorf(inventory.ErrInvalid, "%s is linked to no user; say whose with --user", c.by.Name)
		}
		name = u.Name
	}
	u, err := c.user(name)
	if err != nil {
		return u, err
	}
	switch {
	case c.by.Kind == inventory.KindToken:
		return u, inventory.Errorf(inventory.ErrDenied, "a token may not change who may come in as %s", name)
	case u.ID == c.by.User, c.Allows(c.by, inventory.RightIdentity, nil, s.Now()):
		return u, nil
	}
	return u, inventory.Errorf(inventory.ErrDenied, "%s may not change what is %s's: that takes the right %q",
		c.by.Name, name, inventory.RightIdentity)
}

func line(field, before, after string) inventory.EffectLine {
	return inventory.EffectLine{Field: field, Before: before, After: after, Effect: inventory.EffectLive}
}

// changed lists the facts that differ, each as {name, before, after}.
func changed(facts ...[3]string) (lines []inventory.EffectLine) {
	for _, f := range facts {
		if f[1] != f[2] {
			lines = append(lines, line(f[0], f[1], f[2]))
		}
	}
	return lines
}
