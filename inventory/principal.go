package inventory

import "context"

// Right is one thing a principal may be allowed to do. A verb asks for exactly one.
type Right string

const (
	RightView     Right = "view"
	RightCreate   Right = "create"
	RightOperate  Right = "operate"   // power: start, stop, restart, kill, freeze
	RightManage   Right = "manage"    // settings, size, rename, owner, snapshots
	RightDelete   Right = "delete"    // to the trash
	RightPurge    Right = "purge"     // for good
	RightSession  Right = "session"   // exec, shell, console
	RightFile     Right = "file"      // read and write files inside
	RightHostPath Right = "host-path" // give containers folders of the host
	RightImage    Right = "image"     // build, import, delete images
	RightHost     Right = "host"      // host settings, pools, networks, quotas
	RightProject  Right = "project"   // projects: members and defaults
	RightAudit    Right = "audit"     // read and verify the journal
	RightApprove  Right = "approve"   // decide about others' changes
	RightRecovery Right = "recovery"  // recover, migrate
)

// PrincipalKind tells a person from a program.
type PrincipalKind string

const (
	KindPerson PrincipalKind = "person"
	KindToken  PrincipalKind = "token"
	KindSystem PrincipalKind = "system" // the agent itself: schedules, restart policies
)

// A Principal is who a door says is calling. Doors make it; the gate judges it.
type Principal struct {
	Name  string        `json:"name"`
	Kind  PrincipalKind `json:"kind"`
	Admin bool          `json:"admin,omitempty"`
	Proof string        `json:"proof"`          // how the door knows: "peer uid 0", "token", "schedule"
	From  string        `json:"from,omitempty"` // where the call came from: "unix", "192.0.2.7"
}

// System is the principal of what the agent does by itself.
func System(why string) Principal {
	return Principal{Name: "lodged", Kind: KindSystem, Admin: true, Proof: why, From: "agent"}
}

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
