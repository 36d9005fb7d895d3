// Package identity keeps who there is and what they may: users with the uids and keys that tell them,
// groups, roles given on parts of the estate, and tokens. It is the gate's Rights, and tells doors who
// calls.
//
// All of it is one directory (inventory.Directory), read when it has changed and looked into for every
// decision, so what is taken from somebody is gone with the transaction that takes it. What must not
// be (two users with one key, roles kept apart on one identity, nobody left who is admin) is refused in
// that transaction. Every verb is one write that can be written again, and a look at open sessions.
package identity

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Store store
	// Containers are found by id.
	Containers   containers
	Sessions     sessions
	Certificates certificates
	// IsMember reports whether the host has somebody, by their name there, in the Unix group of
	// administrators now.
	IsMember func(name string) bool
	// Changed is called after a change of who there is, to let new users reach the door.
	Changed func(ctx context.Context) error
	Log     *slog.Logger
	Now     func() time.Time
}

// store keeps the rows; see inventory/store for what it refuses.
type store interface {
	Directory(ctx context.Context) (*inventory.Directory, error)
	EditIdentity(ctx context.Context, e inventory.IdentityEdit) error
	// TryIdentity says what EditIdentity would, and changes nothing.
	TryIdentity(ctx context.Context, e inventory.IdentityEdit) error
	// SawToken notes when a token was used last; nothing waits for it.
	SawToken(ctx context.Context, t inventory.Token) error
}

type containers interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
}

// sessions are the ways into containers that are open now.
type sessions interface {
	EndAll(ctx context.Context, by, reason string, match func(inventory.Session) bool) (int, error)
}

// A Service has the verbs and judges rights. Safe for concurrent use.
type Service struct{ Config }

// New returns a service without side effects.
func New(cfg Config) *Service { return &Service{cfg} }

// Allowed reports whether p has the right on c; c is nil for verbs that are on no container. While the
// directory can't be read, nobody but the agent may anything.
func (s *Service) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	if p.Kind == inventory.KindSystem {
		return p.Admin
	}
	d, err := s.Store.Directory(context.Background())
	if err != nil {
		s.Log.Error("who may what can't be read: refused", "principal", p.Name, "right", right, "error", err)
		return false
	}
	return s.isStill(d, p) && d.Allows(p, right, c, s.Now())
}

// HasRole reports whether p, a person, holds the role on c now; nil is what is on no container.
func (s *Service) HasRole(p inventory.Principal, role string, c *inventory.Container) bool {
	d, err := s.Store.Directory(context.Background())
	return err == nil && s.isStill(d, p) && d.HasRole(p, inventory.Role(role), c, s.Now())
}

// isStill reports whether p is who they were when a door or a row made them. What they proved it with may be
// over or revoked, or who signed it no
// longer trusted. A member of the Unix group
// may have left it since, or be a user by now, and what they agreed to, scheduled or have open stays.
// Users and tokens are looked up in the directory whenever they are judged.
func (s *Service) isStill(d *inventory.Directory, p inventory.Principal) bool {
	if p.IsOver(s.Now()) || d.IsRevoked(p) || p.Authority != "" && !d.Vouches(p.Authority, p.User) {
		return false
	}
	if !p.Admin || p.User != "" || p.Kind != inventory.KindPerson || p.IsRoot() {
		return true
	}
	if uid, err := strconv.ParseUint(strings.TrimPrefix(p.Proof, inventory.PeerProof), 10, 32); err == nil {
		if _, linked := d.UserOfUID(uint32(uid)); linked {
			return false
		}
	}
	name, _, _ := strings.Cut(p.Name, uidMark)
	return s.IsMember(name)
}

// SSHKeys are the keys registered for p; none for who is no user.
func (s *Service) SSHKeys(p inventory.Principal) []inventory.SSHKey {
	d, err := s.Store.Directory(context.Background())
	if err != nil {
		return nil
	}
	u, _ := d.User(p.User)
	return u.Keys
}

// Directory returns who there is and what they hold.
func (s *Service) Directory(ctx context.Context) (*inventory.Directory, error) {
	return s.Store.Directory(ctx)
}

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	read := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightEnter, Mode: gate.ModeRead, Risk: inventory.RiskLow,
			Command: command}
	}
	all := []gate.Verb{read("user.view", "user list"), read("group.view", "group list"), read("key.view", "key list"),
		read("role.view", "role list"), read("token.view", "token list"),
		read("authority.view", "ssh authority list")}
	all = append(all, s.userVerbs()...)
	all = append(all, s.groupVerbs()...)
	all = append(all, s.tokenVerbs()...)
	all = append(all, s.roleVerbs()...)
	all = append(all, s.certificateVerbs()...)
	all = append(all, s.authorityVerbs()...)
	return append(all, s.keyVerbs()...)
}
