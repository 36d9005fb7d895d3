package inventory

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Binding gives a user or group a role on something, for good or for a while.
type Binding struct {
	ID      BindingID
	Role    Role
	Subject GroupMember // who holds it
	On      Extent
	Expires time.Time // zero: never. It means nothing from then on
	Reason  string

	CreatedBy string
	CreatedAt time.Time
}

// InForce reports whether the binding means anything at that time.
func (b Binding) InForce(now time.Time) bool { return b.Expires.IsZero() || now.Before(b.Expires) }

// ExtentKind is what sort of thing a role holds on.
type ExtentKind string

const (
	OnHost      ExtentKind = "host"      // everything
	OnProject   ExtentKind = "project"   // a project and what is in it
	OnContainer ExtentKind = "container" // one container, by its id
	OnSelector  ExtentKind = "selector"  // the containers a filter over labels and facts selects
)

// An Extent is what a role or a token holds on.
type Extent struct {
	Kind  ExtentKind
	Value string // project, container id, or filter; "" for the host

	filter Filter // of a selector
}

// selectorFields are what a role may be bound by: what people say of a container, not how it is now.
var selectorFields = []string{"env", "class", "project", "name"}

// ParseExtent reads "host", "project:NAME", "container:ID", or "selector:FILTER", whose fields are
// label.KEY, env, class, project and name.
func ParseExtent(text string) (Extent, error) {
	kind, value, _ := strings.Cut(text, ":")
	e := Extent{Kind: ExtentKind(kind), Value: strings.TrimSpace(value)}
	switch {
	case e.Kind == OnHost && value == "":
		return e, nil
	case e.Kind == OnProject:
		return e, CheckName("the project", e.Value)
	case e.Kind == OnContainer && e.Value != "":
		return e, nil
	case e.Kind == OnSelector && e.Value != "":
		return e.parseSelector()
	}
	return Extent{}, Errorf(ErrInvalid, "a role holds on host, project:NAME, container:NAME or selector:FILTER; %.60q is none of them", text)
}

func (e Extent) parseSelector() (Extent, error) {
	f, err := ParseFilter(e.Value)
	if err != nil {
		return Extent{}, err
	}
	for _, field := range f.Fields() {
		if !strings.HasPrefix(field, labelPrefix) && !slices.Contains(selectorFields, field) {
			return Extent{}, Errorf(ErrInvalid, "a role can't be bound by %s; label.KEY, %s can be asked for", field, strings.Join(selectorFields, ", "))
		}
	}
	e.filter, e.Value = f, f.String()
	return e, nil
}

// String writes the extent so that ParseExtent reads it again.
func (e Extent) String() string {
	if e.Kind == OnHost {
		return string(OnHost)
	}
	return string(e.Kind) + ":" + e.Value
}

// Holds reports whether c lies in the extent; nil, which is what is on no container, lies on the host
// alone.
func (e Extent) Holds(c *Container) bool {
	switch {
	case e.Kind == OnHost:
		return true
	case c == nil:
		return false
	case e.Kind == OnProject:
		return cmp.Or(c.Project, DefaultProject) == e.Value
	case e.Kind == OnContainer:
		return string(c.ID) == e.Value
	case e.Kind == OnSelector && !e.filter.IsEmpty():
		return e.filter.Match(ContainerSubject{Container: c})
	}
	return false
}
