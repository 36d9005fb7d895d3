package policy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// bench is a service over a small estate in memory.
type bench struct {
	*Service
	t        testing.TB
	settings map[string]string
	projects map[string]inventory.Project
	users    []inventory.User
	groups   []inventory.Group
	bindings []inventory.Binding
	members  []string
	versions []inventory.PolicyVersion
	expected []inventory.Expectation
	boxes    []*inventory.Container
	events   []inventory.Event
	windows  []string
	now      time.Time
	unread   error // what reading the estate gives
}

// verb makes a row of the table.
func verb(name string, right inventory.Right, mode gate.Mode) gate.Verb {
	v := gate.Verb{Name: name, Right: right, Mode: mode, Risk: inventory.RiskLow}
	_, rest, _ := strings.Cut(name, ".")
	v.Command = strings.ReplaceAll(rest, ".", " ")
	if noun := nounOf(name); noun != "container" {
		v.Command = noun + " " + v.Command
		if mode == gate.ModeOperation && noun != "snapshot" {
			v.Subject = func(*gate.Request) (string, string, error) { return noun + ":x", "x", nil }
		}
	}
	return v
}

// table has what the base set names, and a few more.
func table() []gate.Verb {
	op, session, read := gate.ModeOperation, gate.ModeSession, gate.ModeRead
	return []gate.Verb{verb("container.view", inventory.RightView, read), verb("container.create", inventory.RightCreate, op),
		verb("container.update", inventory.RightManage, op), verb("container.revert", inventory.RightManage, op),
		verb("container.stop", inventory.RightOperate, op), verb("container.delete", inventory.RightDelete, op),
		verb("container.purge", inventory.RightPurge, op), verb("container.exec", inventory.RightSession, session),
		verb("container.shell", inventory.RightSession, session), verb("container.file.pull", inventory.RightFile, session),
		verb("session.attach", inventory.RightSession, session), verb("session.end", inventory.RightSession, session),
		verb("snapshot.restore", inventory.RightManage, op), verb("config.set", inventory.RightHost, op),
		verb("config.view", inventory.RightView, read), verb("project.update", inventory.RightProject, op),
		verb("image.delete", inventory.RightImage, op), verb("audit.view", inventory.RightAudit, read),
		verb("audit.reindex", inventory.RightAudit, op), verb("audit.forget", inventory.RightAudit, op),
		verb("change.approve", inventory.RightApprove, gate.ModeDecision),
		verb("policy.view", inventory.RightView, read), verb("policy.set", inventory.RightPolicy, op),
		verb("policy.expect.add", inventory.RightPolicy, op)}
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, settings: map[string]string{}, projects: map[string]inventory.Project{},
		now: time.Date(2027, 3, 29, 14, 0, 0, 0, time.UTC)}
	b.Service = New(Config{Host: "h1", HostName: "host1", Versions: b, Expectations: b, Estate: b, Containers: b, Observer: b,
		Settings: func() inventory.Settings {
			return inventory.NewSettings(Settings(), []inventory.Setting{
				{Name: "security.privileged", Type: inventory.TypeBool, Default: "false", Scopes: []inventory.Scope{inventory.ScopeContainer}},
				{Name: "security.nesting", Type: inventory.TypeBool, Default: "false", Scopes: []inventory.Scope{inventory.ScopeContainer}}})
		},
		Rights: b, Members: func() []string { return b.members },
		Windows:   func(context.Context, *inventory.Container, time.Time) ([]string, error) { return b.windows, nil },
		HasWindow: func(_ context.Context, name string) (bool, error) { return name == "nights", nil },
		Log:       slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now }})
	if err := b.Use(t.Context(), table()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) HostSettings(context.Context) (map[string]string, error) { return b.settings, b.unread }
func (b *bench) Project(_ context.Context, name string) (inventory.Project, error) {
	return b.projects[name], nil
}
func (b *bench) Directory(context.Context) (*inventory.Directory, error) {
	return inventory.NewDirectory(b.users, b.groups, b.bindings, nil), nil
}
func (b *bench) AppendEvent(_ context.Context, e inventory.Event) error {
	b.events = append(b.events, e)
	return nil
}
func (b *bench) Container(_ context.Context, ref inventory.Ref) (*inventory.Container, error) {
	for _, c := range b.boxes {
		if c.Name == ref.Name {
			return c, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s", ref)
}
func (b *bench) ContainersOnHost(context.Context, inventory.HostID) ([]*inventory.Container, error) {
	return b.boxes, nil
}
func (b *bench) Observe(*inventory.Container) inventory.Observed {
	return inventory.Observed{State: inventory.StateRunning}
}
func (b *bench) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	d, _ := b.Directory(context.Background())
	return d.Allows(p, right, c, b.now)
}
func (b *bench) PolicyVersion(_ context.Context, version int64) (v inventory.PolicyVersion, err error) {
	if version == 0 {
		version = int64(len(b.versions))
	}
	if version == 0 {
		return v, nil
	}
	return b.versions[version-1], nil
}
func (b *bench) AddPolicyVersion(_ context.Context, base int64, v inventory.PolicyVersion) (inventory.PolicyVersion, error) {
	for _, have := range b.versions {
		if have.Operation == v.Operation {
			return have, nil
		}
	}
	if base != int64(len(b.versions)) {
		return v, inventory.Errorf(inventory.ErrStale, "the policies changed meanwhile")
	}
	v.Version = base + 1
	b.versions = append(b.versions, v)
	return v, nil
}
func (b *bench) Expectations(context.Context) ([]inventory.Expectation, error) {
	return b.expected, nil
}
func (b *bench) PutExpectation(_ context.Context, e inventory.Expectation) error {
	e.ID = int64(len(b.expected) + 1)
	b.expected = append(b.expected, e)
	return nil
}
func (b *bench) DropExpectation(_ context.Context, id int64) error {
	b.expected = slices.DeleteFunc(b.expected, func(e inventory.Expectation) bool { return e.ID == id })
	return nil
}

// user adds a user with roles on the host.
func (b *bench) user(name string, roles ...inventory.Role) inventory.Principal {
	u := inventory.User{ID: inventory.UserID("u-" + name), Name: name}
	b.users = append(b.users, u)
	for _, r := range roles {
		b.bindings = append(b.bindings, inventory.Binding{ID: inventory.BindingID(fmt.Sprint(len(b.bindings))), Role: r,
			Subject: inventory.GroupMember{User: u.ID}, On: inventory.Extent{Kind: inventory.OnHost}})
	}
	return person(u)
}

// site puts a set of the site in force.
func (b *bench) site(text string) {
	b.t.Helper()
	version := int64(len(b.versions)) + 1
	b.versions = append(b.versions, inventory.PolicyVersion{Version: version, Text: text, Operation: inventory.OperationID(fmt.Sprint("o", version))})
	now, err := b.compile(version, text)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Service.site.Store(now)
}

// ask reviews a request as the gate would.
func (b *bench) ask(p inventory.Principal, verb string, c *inventory.Container, edit ...func(*gate.Request, *inventory.Plan)) gate.Decision {
	b.t.Helper()
	r, plan := &gate.Request{Verb: verb, Principal: p, Container: c}, &inventory.Plan{Verb: verb, Digest: "d", Risk: inventory.RiskLow}
	for _, e := range edit {
		e(r, plan)
	}
	return b.Review(b.t.Context(), r, plan)
}

// agree puts approvals of the plan into the request.
func agree(by ...inventory.Principal) func(*gate.Request, *inventory.Plan) {
	return func(r *gate.Request, p *inventory.Plan) {
		for _, a := range by {
			r.Approvals = append(r.Approvals, inventory.Approval{Principal: a, Digest: p.Digest})
		}
	}
}

func inProd(name string) *inventory.Container { return in("prod", name) }

func in(env inventory.Environment, name string) *inventory.Container {
	return &inventory.Container{ID: inventory.ContainerID("c-" + name), Name: name, Project: "default", Environment: env,
		Owner: "dev1", Revision: 1, Settings: map[string]string{}, Labels: map[string]string{"tier": "db"}}
}

var root = rootPrincipal
