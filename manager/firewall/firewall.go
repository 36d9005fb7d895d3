// Package firewall has the verbs of who may talk to whom: rules, and the ports of the host that are a
// container's. It keeps them and says what they mean; the kernel is told by whoever it is given as
// Applier, and told again by the agent whenever something else changes.
package firewall

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Rules keeps the rules.
type Rules interface {
	FirewallRules(ctx context.Context) ([]inventory.FirewallRule, error)
	FirewallRule(ctx context.Context, id string) (*inventory.FirewallRule, error) // nil: there is none
	SaveFirewallRule(ctx context.Context, r inventory.FirewallRule) error
	DeleteFirewallRule(ctx context.Context, id string) error
}

// Estate is what rules are about.
type Estate interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	Networks(ctx context.Context) ([]inventory.Network, error)
	HostSettings(ctx context.Context) (map[string]string, error)
	Projects(ctx context.Context) ([]inventory.Project, error)
}

// Applier tells the kernel what holds now.
type Applier interface {
	ApplyRules(ctx context.Context) error
}

// Config is what a service is made of; all fields are required.
type Config struct {
	Rules    Rules
	Forwards Forwards
	Estate   Estate
	Applier  Applier
	// Taken says who listens on ports of the host already, "" for nobody.
	Taken func(f inventory.Forward) string
	Now   func() time.Time
}

// Service has the verbs. Safe for concurrent use.
type Service struct{ Config }

// New returns a service without side effects.
func New(cfg Config) *Service { return &Service{cfg} }

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	look := gate.Step{Name: "look", Do: s.look} // what a step saves is durable when the next begins
	change := func(name string, prepare func(context.Context, *gate.Request) (*gate.Draft, error), do gate.Step) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: inventory.RiskMedium,
			Subject: s.subject, Prepare: prepare, Steps: []gate.Step{look, do}}
	}
	read := func(name string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightView, Mode: gate.ModeRead, Risk: inventory.RiskLow}
	}
	rows := []gate.Verb{read("firewall.view"), read("firewall.test"), read("firewall.log"),
		change("firewall.allow", s.prepareRule(inventory.FirewallAllow), gate.Step{Name: "save", Do: s.save(inventory.FirewallAllow), Undo: s.saveBack}),
		change("firewall.deny", s.prepareRule(inventory.FirewallDeny), gate.Step{Name: "save", Do: s.save(inventory.FirewallDeny), Undo: s.saveBack}),
		change("firewall.remove", s.prepareRemove, gate.Step{Name: "remove", Do: s.remove, Undo: s.saveBack}),
	}
	for i, command := range []string{"firewall list", "firewall test", "firewall log", "firewall allow", "firewall deny", "firewall remove"} {
		rows[i].Command = command
	}
	return append(rows, s.forwardVerbs()...)
}

// Firewall is what verdicts depend on, as it is now.
func (s *Service) Firewall(ctx context.Context) (f inventory.Firewall, err error) {
	f.Now = s.Now()
	if f.Rules, err = s.Rules.FirewallRules(ctx); err != nil {
		return f, err
	}
	host, err := s.Estate.HostSettings(ctx)
	if err != nil {
		return f, err
	}
	f.HostAccess = host["network.host.access"] == "true"
	if f.Within, err = s.Within(ctx); err != nil {
		return f, err
	}
	networks, err := s.Estate.Networks(ctx)
	routed := map[string]bool{}
	for _, n := range networks {
		routed[n.Name] = !n.NAT
	}
	f.Routed = func(name string) bool { return routed[name] }
	return f, err
}

// SettingWithin is the setting that lets containers of a project reach each other.
const SettingWithin = "network.within"

// Within says of each project whether its containers may open connections to each other.
func (s *Service) Within(ctx context.Context) (func(project string) bool, error) {
	host, err := s.Estate.HostSettings(ctx)
	if err != nil {
		return nil, err
	}
	projects, err := s.Estate.Projects(ctx)
	if err != nil {
		return nil, err
	}
	value := func(values map[string]string, otherwise bool) bool {
		if on, err := strconv.ParseBool(values[SettingWithin]); err == nil {
			return on
		}
		return otherwise
	}
	byDefault, said := value(host, true), map[string]bool{}
	for _, p := range projects {
		said[p.Name] = value(p.Settings, byDefault)
	}
	return func(project string) bool {
		on, ok := said[project]
		return on || !ok && byDefault
	}, nil
}

// Test says what would become of a connection between two ends: containers, host, or addresses.
func (s *Service) Test(ctx context.Context, a inventory.FirewallArgs) (inventory.FirewallVerdict, error) {
	var none inventory.FirewallVerdict
	ports, err := inventory.ParsePorts(a.Ports)
	if err != nil {
		return none, err
	}
	flow := inventory.Flow{Protocol: ports.Protocol}
	switch {
	case ports.Protocol == inventory.ICMP:
	case len(ports.Ranges) != 1 || ports.Ranges[0].First != ports.Ranges[0].Last:
		return none, inventory.Errorf(inventory.ErrInvalid, "a test is of one port, like tcp/5432, or of icmp")
	default:
		flow.Port = ports.Ranges[0].First
	}
	from, to, err := s.ends(ctx, a)
	if err != nil {
		return none, err
	}
	flow.From, flow.To = from, to
	f, err := s.Firewall(ctx)
	if err != nil {
		return none, err
	}
	return f.Judge(flow), nil
}

// ends finds both, in one family: IPv6 only where one of them has nothing else.
func (s *Service) ends(ctx context.Context, a inventory.FirewallArgs) (from, to inventory.End, err error) {
	if from, err = s.end(ctx, a.From); err != nil {
		return
	}
	if to, err = s.end(ctx, a.To); err != nil {
		return
	}
	if from.Container == nil && to.Container == nil {
		err = inventory.Errorf(inventory.ErrInvalid, "rules are about containers; one of %s and %s has to be one", a.From, a.To)
		return
	}
	v6 := from.Address.Is6() || to.Address.Is6()
	for _, e := range []*inventory.End{&from, &to} {
		if e.Container == nil {
			continue
		}
		for _, nic := range e.Container.NICs {
			if e.Address = nic.IPv4; v6 {
				e.Address = nic.IPv6
			}
			if e.Address.IsValid() {
				break
			}
		}
	}
	return
}

func (s *Service) end(ctx context.Context, text string) (e inventory.End, err error) {
	sel, err := inventory.ParseSelector(text)
	if err != nil {
		return e, err
	}
	switch {
	case sel.Kind == inventory.SelectHost:
		e.Host = true
	case sel.Kind == inventory.SelectAddress && sel.Prefix.IsSingleIP():
		e.Address = sel.Prefix.Addr()
	case sel.Kind == inventory.SelectContainer:
		e.Container, err = s.container(ctx, sel.Value)
	default:
		err = inventory.Errorf(inventory.ErrInvalid, "a test is between two ends: containers, host, or one address; %s is none", text)
	}
	return e, err
}

func (s *Service) container(ctx context.Context, name string) (*inventory.Container, error) {
	return s.Estate.Container(ctx, inventory.ParseRef(name))
}

// subject makes changes of one rule or forward exclude each other, by the ids of containers once they
// are found. What it is called names them as people do.
func (s *Service) subject(r *gate.Request) (subject, name string, err error) {
	var args struct{ ID, From, To, Ports, Listen string }
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	if args.ID != "" {
		return "firewall:" + args.ID, args.ID, nil
	}
	if args.Listen != "" {
		f, err := inventory.ParseListen(args.Listen)
		return "firewall:" + f.ID, f.ID, err
	}
	return "firewall:" + args.From + " " + args.To + " " + args.Ports, s.called(args.From) + " to " + s.called(args.To), nil
}

// called is how people write an end.
func (s *Service) called(end string) string {
	sel, err := inventory.ParseSelector(end)
	if err != nil || sel.Kind != inventory.SelectContainer || !inventory.IsID(sel.Value) {
		return end
	}
	return s.name(context.Background(), inventory.ContainerID(sel.Value))
}
