package sudo

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
	Store    store
	Rights   rights
	Settings layers
	Observer observer
	Guest    guest
	// Rootfs returns where a container's root file system lies on the host; "" where it is not there.
	Rootfs func(c *inventory.Container) string
	Now    func() time.Time
	Log    *slog.Logger
}

// store has the grants, and what is to become of them.
type store interface {
	// AddSudo keeps a grant; one that is there already stays as it is.
	AddSudo(ctx context.Context, g inventory.SudoGrant) error
	// EndSudo notes when and why it ended; one that has ended stays as it is.
	EndSudo(ctx context.Context, id inventory.OperationID, at time.Time, reason string) error
	// SudoGrants returns them, the newest first.
	SudoGrants(ctx context.Context, q inventory.SudoQuery) ([]inventory.SudoGrant, error)
	deadlines
}

type deadlines interface {
	// Container finds one by id, in the trash too.
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	// AllWaiting returns the deadlines of every container that the principal made and that wait.
	AllWaiting(ctx context.Context, principal string) ([]inventory.Deadline, error)
	// EndDeadline notes the outcome; ErrStale if it has one already.
	EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error
}

// rights say who there is and what they may.
type rights interface {
	Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool
	Directory(ctx context.Context) (*inventory.Directory, error)
}

// layers are the settings above a container.
type layers interface {
	// Layers returns what the project and the host set, in this order.
	Layers(ctx context.Context, project string) ([]inventory.Layer, error)
}

// An observer measures a container; it never blocks.
type observer interface {
	State(c *inventory.Container) inventory.State
}

// A guest runs programs inside, as root of the container and with no more than that.
type guest interface {
	// Run returns the exit code and the beginning of what the program wrote: the container's word.
	// 127 is a program that isn't there.
	Run(ctx context.Context, c *inventory.Container, command ...string) (code int, output string, err error)
}

// A Service gives sudo and ends it. Safe for concurrent use.
type Service struct {
	Config
	gate *gate.Gate

	looks sync.Mutex // held by Look, so that two don't make the same deadline
	mu    sync.Mutex // guards tried
	tried map[inventory.OperationID]time.Time
}

// New returns a service without side effects.
func New(cfg Config) *Service {
	return &Service{Config: cfg, tried: map[inventory.OperationID]time.Time{}}
}

// Use gives the service the gate its deadlines have to pass. It is called once, before Keep.
func (s *Service) Use(g *gate.Gate) { s.gate = g }

// SettingMax names the setting that bounds grants.
const SettingMax = "sudo.max"

// Settings returns the rows of the settings table this package applies.
func Settings() []inventory.Setting {
	return []inventory.Setting{{Name: SettingMax, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject},
		Type: inventory.TypeDuration, Default: "8h0m0s", Max: "30d", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
		Doc: "The longest sudo may be given for at once; 0s lets nobody give it. The shorter of project and host holds."}}
}

const (
	grantVerb = "sudo.grant"
	endVerb   = "sudo.end"
)

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	return []gate.Verb{
		{Name: grantVerb, Right: inventory.RightSudo, Mode: gate.ModeOperation, From: []inventory.State{inventory.StateRunning},
			Risk: inventory.RiskHigh, Command: "sudo", Prepare: s.prepareGrant, Steps: []gate.Step{
				{Name: "note", Do: s.note, Undo: s.unnote},
				{Name: "sudoers", Do: s.give, Undo: s.ungive},
			}},
		{Name: endVerb, Right: inventory.RightManage, Mode: gate.ModeOperation, Risk: inventory.RiskMedium, Command: "sudo end",
			Recovery: gate.RecoverFinish, Prepare: s.prepareEnd, Steps: []gate.Step{{Name: "sudoers", Do: s.end}}},
	}
}
