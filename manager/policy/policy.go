// Package policy judges requests that have the right but may still be refused, or need somebody
// else's agreement, a time, or a window. Policies are written in Cedar. A base set is part of the
// agent and can't be removed; a site adds to it a set that is versioned, checked against a schema
// and a corpus of expected decisions, and changed like anything else: by a plan that others approve.
//
// Roles and ownership give, policies take away: the base permits whatever the gate found a right for,
// and everything else is a forbid. One that carries @hold, @delay or @window forbids until that is met,
// so what reads Cedar without knowing of holds errs on the safe side.
//
// A policy that can't be evaluated is a deny. Cedar alone would leave it out, and a forbid that asks
// for what isn't there would allow.
package policy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	holdSetting      = "policy.hold"
	soloSetting      = "policy.solo"
	immutableSetting = "security.immutable"
)

// versions keeps what the site's policies are and were.
type versions interface {
	// PolicyVersion returns one version, or, for 0, the newest; a zero one if there is none.
	PolicyVersion(ctx context.Context, version int64) (inventory.PolicyVersion, error)
	// AddPolicyVersion makes the next version after base; ErrStale if base is not the newest any more. An
	// operation adds one version, however often it is asked to.
	AddPolicyVersion(ctx context.Context, base int64, v inventory.PolicyVersion) (inventory.PolicyVersion, error)
}

// expectations keeps what the site wants its policies to decide.
type expectations interface {
	Expectations(ctx context.Context) ([]inventory.Expectation, error)
	// PutExpectation adds one, or replaces the one that asks the same.
	PutExpectation(ctx context.Context, e inventory.Expectation) error
	DropExpectation(ctx context.Context, id int64) error
}

// estate is what else requests are judged by.
type estate interface {
	HostSettings(ctx context.Context) (map[string]string, error)
	Project(ctx context.Context, name string) (inventory.Project, error)
	Directory(ctx context.Context) (*inventory.Directory, error)
	AppendEvent(ctx context.Context, e inventory.Event) error
}

// containers are those there are, for answers about them.
type containers interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
}

// observer measures a container; it never blocks.
type observer interface {
	Observe(c *inventory.Container) inventory.Observed
}

// Config is what the policies are judged with. All fields but Windows, HasWindow and Sessions are required.
type Config struct {
	Host         inventory.HostID
	HostName     string
	Versions     versions
	Expectations expectations
	Estate       estate
	Containers   containers
	Observer     observer
	Settings     func() inventory.Settings
	// Rights is what the gate asks before it asks here.
	Rights gate.Rights
	// Members are the members of the Unix group that may use the agent.
	Members func() []string
	// Windows says which windows are open for a container (nil: on the host). Nil: there are none.
	Windows func(ctx context.Context, c *inventory.Container, now time.Time) ([]string, error)
	// HasWindow says whether there is a window of that name. Nil: all are taken for there.
	HasWindow func(ctx context.Context, name string) (bool, error)
	// Sessions are judged again when the policies, or what they look at, change. Nil: there are none.
	Sessions sessions
	Log      *slog.Logger
	Now      func() time.Time
}

// A Service has the policies in force. Safe for concurrent use.
type Service struct {
	Config
	lang  *language
	base  *set                // what break-glass leaves
	site  atomic.Pointer[set] // base and site
	cache cache

	mu     sync.Mutex // guards what follows
	held   string     // the value of policy.hold that short is made of
	short  *set
	warned map[string]time.Time // when an event last told of a policy that fails
}

// New returns a service that knows no verbs yet; see Use.
func New(cfg Config) *Service { return &Service{Config: cfg, warned: map[string]time.Time{}} }

// Settings returns the rows this package reads.
func Settings() []inventory.Setting {
	host := []inventory.Scope{inventory.ScopeHost}
	return []inventory.Setting{
		{Name: holdSetting, Scopes: host, Type: inventory.TypeVerbs, Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Doc: "Verbs that wait for the approval of a second person, separated by spaces: container.purge container.delete. Short for a policy per verb; once set, changing it waits too."},
		{Name: soloSetting, Scopes: host, Type: inventory.TypeDuration, Values: []string{"off"}, Default: "off", Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Doc: "How long what takes a second person waits instead where nobody else could approve, from submission: 24h; off lets it wait for somebody."},
		{Name: immutableSetting, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject, inventory.ScopeContainer},
			Type: inventory.TypeBool, Default: "false", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Nobody logs in: exec, shell, console and files are refused to all but root with --break-glass."},
	}
}

// Use tells which verbs there are, and reads the policies in force. Policies of the site that can't
// be read any more, say after an upgrade that took a verb away, refuse everything to everybody but
// root with --break-glass; what the agent does by itself is judged by the base alone.
func (s *Service) Use(ctx context.Context, verbs []gate.Verb) (err error) {
	if s.lang, err = newLanguage(verbs); err != nil {
		return err
	}
	rules, err := s.lang.load(baseFile, baseText, true)
	if err != nil {
		return err
	}
	s.base = newSet(0, "", rules, baseText)
	v, err := s.Versions.PolicyVersion(ctx, 0)
	if err != nil {
		return err
	}
	now, err := s.compile(v.Version, v.Text)
	if err != nil {
		s.Log.Error("the site's policies can't be read; nothing is allowed but to root with --break-glass", "version", v.Version, "error", err)
		now = newSet(v.Version, v.Text, rules, baseText, v.Text)
		now.broken = err
	}
	s.site.Store(now)
	return nil
}

// siteFile is what errors call the policies of a version.
func siteFile(version int64) string { return fmt.Sprintf("site-%d.cedar", version) }

// compile reads the site's policies and puts the base before them.
func (s *Service) compile(version int64, text string) (*set, error) {
	rules, err := s.lang.load(siteFile(version), text, false)
	if err != nil {
		return nil, err
	}
	return newSet(version, text, slices.Concat(s.base.rules, rules), baseText, text), nil
}

// inForce is the set all are judged by: base, site, and what policy.hold is short for.
func (s *Service) inForce(host map[string]string) (*set, error) {
	now, held := s.site.Load(), host[holdSetting]
	if held == "" || now.broken != nil {
		return now, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.short != nil && s.held == held && s.short.version == now.version {
		return s.short, nil
	}
	text := shorthand(held)
	rules, err := s.lang.load(holdSetting, text, false)
	if err != nil {
		return nil, err
	}
	s.held, s.short = held, newSet(now.version, now.text, slices.Concat(now.rules, rules), baseText, now.text, text)
	return s.short, nil
}

// shorthand writes the policies that the setting policy.hold is short for.
func shorthand(verbs string) string {
	var b strings.Builder
	for _, verb := range strings.Fields(verbs) {
		fmt.Fprintf(&b, "@id(\"setting.%s\") @hold(\"1\") @reason(%q)\nforbid (principal, action == Action::%q, resource)\nunless { context.break_glass };\n",
			verb, holdSetting+" names "+verb, verb)
	}
	return b.String()
}

// Revision is a hash of all policies in force, or "unreadable".
func (s *Service) Revision() string {
	host, err := s.Estate.HostSettings(context.Background())
	if err != nil {
		return "unreadable"
	}
	now, err := s.inForce(host)
	if err != nil {
		return "unreadable"
	}
	return now.revision()
}
