package inventory

import (
	"context"
	"strings"
	"time"
)

// PrincipalKind tells a person from a program.
type PrincipalKind string

const (
	KindPerson PrincipalKind = "person"
	KindToken  PrincipalKind = "token"
	KindSystem PrincipalKind = "system" // the agent itself: schedules, restart policies
)

// RootName is what uid 0 of this host is called. No user may be.
const RootName = "root"

// A Principal is who a door says is calling. Doors make it; the gate judges it.
type Principal struct {
	Name string        `json:"name"`
	Kind PrincipalKind `json:"kind"`
	// User is the stable id of the person behind it, whichever of their uids, keys or tokens was used;
	// empty for who is linked to no user.
	User UserID `json:"user,omitempty"`
	// Token is what a KindToken showed: it narrows what User may.
	Token TokenID `json:"token,omitempty"`
	// Admin says that the host itself makes them one: uid 0, and members of group lodge as long as no
	// role says who is. See Directory.Allows.
	Admin bool `json:"admin,omitempty"`
	// BreakGlass marks root's own socket where roles are in use: nothing is refused for want of one,
	// everything is flagged.
	BreakGlass bool `json:"break_glass,omitempty"`
	// Override says that they asked to pass without what policies of the site ask for (--break-glass).
	// It takes root on the host's own socket, and a reason.
	Override bool `json:"override,omitempty"`
	// Login is who signed in to the host before they became uid 0 (proc_pid_loginuid(5)); empty if it
	// is not known, or no user.
	Login UserID `json:"login,omitempty"`
	// Until is when what they proved it with is over, and with it whatever it opened; zero: never by itself.
	Until time.Time `json:"until,omitzero"`
	// Key is the fingerprint of the SSH key they proved it with, Serial the number of the certificate that
	// said it is theirs; see Directory.IsRevoked.
	Key    string `json:"key,omitempty"`
	Serial uint64 `json:"serial,omitempty,string"`
	// Authority is the fingerprint of the key from outside that signed that certificate; empty for our own.
	Authority string `json:"authority,omitempty"`
	Proof     string `json:"proof"`          // how the door knows: "peer uid 0", "token", "schedule"
	From      string `json:"from,omitempty"` // where the call came from: "unix", "192.0.2.7"
}

// IsOver reports whether what they proved it with is over.
func (p Principal) IsOver(now time.Time) bool { return !p.Until.IsZero() && !now.Before(p.Until) }

// System is the principal of what the agent does by itself.
func System(why string) Principal {
	return Principal{Name: "lodged", Kind: KindSystem, Admin: true, Proof: why, From: "agent"}
}

// SnapshotSchedule is the setting by which snapshots are taken again and again, and what their
// principal is called by.
const SnapshotSchedule = "snapshot.schedule"

// Scheduler is the principal of what a setting has done again and again.
func Scheduler(setting string) Principal {
	return Principal{Name: setting, Kind: KindSystem, Admin: true, Proof: setting, From: "agent"}
}

// IsSchedule reports whether p is the Scheduler of that setting.
func (p Principal) IsSchedule(setting string) bool { return p.Kind == KindSystem && p.Name == setting }

// IsRoot reports whether p is uid 0 of this host, and nobody in particular.
func (p Principal) IsRoot() bool {
	return p.Admin && p.User == "" && p.Kind == KindPerson && p.Name == RootName
}

// IsSame reports whether p and q are one identity: the same user by whatever key, uid or token, or,
// where a user is known of neither, the same name or uid of this host. Somebody who became root is still who
// signed in. What the agent does by itself is nobody's.
func (p Principal) IsSame(q Principal) bool {
	if p.Kind == KindSystem || q.Kind == KindSystem {
		return p.Kind == q.Kind && p.Name == q.Name
	}
	for _, mine := range []UserID{p.User, p.Login} {
		if mine != "" && (mine == q.User || mine == q.Login) {
			return true
		}
	}
	if p.User != "" && q.User != "" {
		return false
	}
	return p.Name == q.Name || p.Proof == q.Proof && strings.HasPrefix(p.Proof, PeerProof)
}

// SpeaksFor reports whether p may act on what q asked for or decided as on their own. A person may, by
// whatever proof; a token only on what it asked for itself: what its user did, it may not be enough for.
func (p Principal) SpeaksFor(q Principal) bool {
	return p.IsSame(q) && (p.Kind != KindToken || q.Kind == KindToken && p.Token == q.Token)
}

// PeerProof begins the Proof of who was known by a socket's peer credentials; their uid follows.
const PeerProof = "peer uid "

type principalKey struct{}

// WithPrincipal returns a context that carries who is calling.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns who is calling; ok is false when no door said so, and then nothing may be
// allowed.
func PrincipalFrom(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}
