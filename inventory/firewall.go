package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FirewallAction is what a rule does with a connection.
type FirewallAction string

const (
	FirewallAllow FirewallAction = "allow"
	FirewallDeny  FirewallAction = "deny"
)

// A FirewallRule judges connections from one set of ends to another. Answers to a connection that was
// let through always pass, so a rule has a direction: who opens it. Denials come before permissions;
// among either the order means nothing.
type FirewallRule struct {
	ID       string // of what it says: the same rule has the same
	Action   FirewallAction
	From, To Selector
	Ports    Ports
	Expires  time.Time // zero: never. It means nothing from then on
	Log      bool      // connections it matches are told of
	Reason   string

	CreatedAt time.Time
}

// String writes the rule as it is given to 'lodge firewall'.
func (r FirewallRule) String() string {
	return string(r.Action) + " " + r.From.String() + " " + r.To.String() + " " + r.Ports.String()
}

// Named is the rule as people read it: name tells what they call a container.
func (r FirewallRule) Named(name func(ContainerID) string) string {
	r.From, r.To = r.From.Named(name), r.To.Named(name)
	return r.String()
}

// Identify gives the rule the id of what it says.
func (r *FirewallRule) Identify() {
	sum := sha256.Sum256([]byte(r.String()))
	r.ID = "fw-" + hex.EncodeToString(sum[:4])
}

// Check reports whether the rule can be kept.
func (r FirewallRule) Check() error {
	if r.Action != FirewallAllow && r.Action != FirewallDeny {
		return Errorf(ErrInvalid, "%q is no rule; it is allow or deny", r.Action)
	}
	if r.From.Kind == SelectHost && r.To.Kind == SelectHost {
		return Errorf(ErrInvalid, "what the host asks of itself is not judged; one side has to be containers or the outside")
	}
	a, b := r.From.Prefix, r.To.Prefix
	if a.IsValid() && b.IsValid() && a.Addr().Is4() != b.Addr().Is4() {
		return Errorf(ErrInvalid, "%s and %s are of different families; nothing goes from one to the other", a, b)
	}
	return nil
}

// InForce reports whether the rule means anything at that time.
func (r FirewallRule) InForce(now time.Time) bool { return r.Expires.IsZero() || now.Before(r.Expires) }

// SelectorKind says by what ends are chosen.
type SelectorKind string

const (
	SelectAny       SelectorKind = "any"       // every address but the host's own
	SelectHost      SelectorKind = "host"      // this host
	SelectContainer SelectorKind = "container" // one, by its id, so it may be renamed
	SelectLabel     SelectorKind = "label"     // those with key=value
	SelectProject   SelectorKind = "project"
	SelectAddress   SelectorKind = "address" // a prefix, containers in it too
)

// A Selector chooses the ends of connections.
type Selector struct {
	Kind   SelectorKind
	Value  string       // an id or name, key=value, a project
	Prefix netip.Prefix // of SelectAddress
}

// ParseSelector reads any, host, label:KEY=VALUE, project:NAME, container:NAME or just NAME, with
// PROJECT/ before it or not, an address or a prefix. The name of a container is left as it is given.
func ParseSelector(text string) (Selector, error) {
	kind, value, ok := strings.Cut(text, ":")
	if p, err := netip.ParsePrefix(text); err == nil {
		return Selector{Kind: SelectAddress, Prefix: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Selector{Kind: SelectAddress, Prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	switch {
	case text == string(SelectAny) || text == string(SelectHost):
		return Selector{Kind: SelectorKind(text)}, nil
	case !ok && isContainerName(text):
		return Selector{Kind: SelectContainer, Value: text}, nil
	case kind == string(SelectContainer) && isContainerName(value):
		return Selector{Kind: SelectContainer, Value: value}, nil
	case kind == string(SelectProject) && CheckName("the project", value) == nil:
		return Selector{Kind: SelectProject, Value: value}, nil
	case kind == string(SelectLabel) && strings.Index(value, "=") > 0 && CheckLine("the label", value) == nil:
		return Selector{Kind: SelectLabel, Value: value}, nil
	}
	return Selector{}, Errorf(ErrInvalid,
		"%q chooses nothing; write NAME, label:role=web, project:shop, host, any, or an address like 192.0.2.0/24", text)
}

func isContainerName(text string) bool {
	ref := ParseRef(text)
	return IsID(text) || CheckName("the container", ref.Name) == nil &&
		(ref.Project == "" || CheckName("the project", ref.Project) == nil)
}

func (s Selector) String() string {
	switch s.Kind {
	case SelectAny, SelectHost:
		return string(s.Kind)
	case SelectAddress:
		if s.Prefix.IsSingleIP() {
			return s.Prefix.Addr().String()
		}
		return s.Prefix.String()
	}
	return string(s.Kind) + ":" + s.Value
}

// Named is the selector with a container's name in place of its id, for people to read: names move on.
func (s Selector) Named(name func(ContainerID) string) Selector {
	if s.Kind == SelectContainer {
		s.Value = name(ContainerID(s.Value))
	}
	return s
}

// Chooses reports whether it chooses the container for what it is, whatever its addresses are.
func (s Selector) Chooses(c *Container) bool {
	switch s.Kind {
	case SelectContainer:
		return string(c.ID) == s.Value
	case SelectLabel:
		key, value, _ := strings.Cut(s.Value, "=")
		have, ok := c.Labels[key]
		return ok && have == value
	case SelectProject:
		return c.Project == s.Value
	}
	return false
}

// matches reports whether it chooses an end.
func (s Selector) matches(e End) bool {
	switch {
	case e.Host || s.Kind == SelectHost:
		return e.Host && s.Kind == SelectHost
	case s.Kind == SelectAny:
		return true
	case s.Kind == SelectAddress:
		return s.Prefix.Contains(e.Address)
	}
	return e.Container != nil && s.Chooses(e.Container)
}

// An End is one side of a connection: this host, a container's address, or one of the outside.
type End struct {
	Host      bool
	Container *Container // nil for the outside
	Address   netip.Addr
}

// A Flow is a connection somebody wants to open. ICMP has no port.
type Flow struct {
	From, To End
	Protocol Protocol
	Port     uint16
}

// A FirewallVerdict is what becomes of a flow and why. Rule is nil where no rule says so.
type FirewallVerdict struct {
	Allowed bool
	Rule    *FirewallRule
	Why     string
}

// A Firewall is all that a verdict depends on.
type Firewall struct {
	Rules []FirewallRule
	// Within says whether containers of a project may open connections to each other.
	Within     func(project string) bool
	HostAccess bool                      // every port of the host is open to containers
	Routed     func(network string) bool // the outside may open connections to its containers
	Now        time.Time
}

// Judge says what becomes of a flow. The kernel's rules are compiled to say the same.
func (f Firewall) Judge(flow Flow) FirewallVerdict {
	rules := slices.Clone(f.Rules)
	slices.SortFunc(rules, func(a, b FirewallRule) int { return strings.Compare(a.ID, b.ID) })
	for _, action := range []FirewallAction{FirewallDeny, FirewallAllow} {
		for _, r := range rules {
			if r.Action == action && r.InForce(f.Now) && r.From.matches(flow.From) && r.To.matches(flow.To) &&
				r.Ports.Match(flow.Protocol, flow.Port) {
				return FirewallVerdict{action == FirewallAllow, &r, "rule " + r.ID + ": " + r.String()}
			}
		}
	}
	allowed, why := f.byDefault(flow)
	return FirewallVerdict{Allowed: allowed, Why: why}
}

// byDefault is what holds where no rule matches.
func (f Firewall) byDefault(flow Flow) (allowed bool, why string) {
	from, to := flow.From, flow.To
	switch {
	case from.Host:
		return true, "this host may reach its containers"
	case to.Host && servesContainers(flow):
		return true, "containers may ask the host for names and addresses, and ping it"
	case to.Host:
		return f.HostAccess, "network.host.access is " + strconv.FormatBool(f.HostAccess) + " for the host"
	case from.Container == nil && f.Routed(networkOf(to)):
		return true, "the network is routed: the outside may open connections"
	case from.Container == nil:
		return false, "the outside opens no connections to a network with NAT; 'lodge forward add' does that"
	case to.Container == nil:
		return true, "containers may open connections to the outside"
	case from.Container.Project != to.Container.Project:
		return false, "projects " + from.Container.Project + " and " + to.Container.Project + " are apart"
	}
	within := f.Within(to.Container.Project)
	return within, "network.within is " + strconv.FormatBool(within) + " for project " + to.Container.Project
}

func networkOf(e End) string {
	if e.Container != nil {
		for _, nic := range e.Container.NICs {
			if nic.IPv4 == e.Address || nic.IPv6 == e.Address {
				return nic.Network
			}
		}
	}
	return ""
}

func servesContainers(f Flow) bool {
	switch f.Protocol {
	case ICMP:
		return true
	case TCP:
		return f.Port == 53
	case UDP:
		return f.Port == 53 || f.Port == 67 || f.Port == 547
	}
	return false
}

// FirewallArgs are the parameters of firewall.allow and firewall.deny.
type FirewallArgs struct {
	From  string `json:"from" doc:"Who opens connections: NAME, label:role=web, project:shop, host, any, or a prefix." example:"label:role=web"`
	To    string `json:"to" doc:"To whom." example:"label:role=db"`
	Ports string `json:"ports,omitempty" doc:"tcp/5432, udp/53,67-68, icmp, or any." example:"tcp/5432"`
	For   string `json:"for,omitempty" doc:"How long it holds; for ever when it is empty." example:"2h"`
	Log   bool   `json:"log,omitempty" doc:"Tell of the connections it matches in the firewall's log, at most ten a second."`
}

// Rule is that of the parameters, checked but for the names of containers, which resolve makes ids.
func (a FirewallArgs) Rule(action FirewallAction, resolve func(name string) (ContainerID, error)) (FirewallRule, error) {
	r := FirewallRule{Action: action, Log: a.Log}
	for i, side := range []*Selector{&r.From, &r.To} {
		s, err := ParseSelector([]string{a.From, a.To}[i])
		if err != nil {
			return r, err
		}
		if s.Kind == SelectContainer {
			id, err := resolve(s.Value)
			if err != nil {
				return r, err
			}
			s.Value = string(id)
		}
		*side = s
	}
	var err error
	if r.Ports, err = ParsePorts(a.Ports); err != nil {
		return r, err
	}
	r.Identify()
	return r, r.Check()
}

// FirewallEndArgs are the parameters of firewall.remove: the id, and for what removes a rule whose time
// is over, that time.
type FirewallEndArgs struct {
	ID      string    `json:"id"`
	Expired time.Time `json:"expired,omitzero"`
}
