package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AppLabel is the label that says which application a container is part of.
const AppLabel = "app"

// AffinityForm says what members of one application mean to each other.
type AffinityForm string

const (
	Apart    AffinityForm = "apart"    // never on one host
	Together AffinityForm = "together" // always on one host
)

// An Affinity is one application's rule about sharing a host. Members are the containers with the
// label app=App whose Field has one of Values. With Apart, members of different values may not
// share a host ("env=prod,dr": production and its stand-in); with a single value no two members
// may. With Together all members have to be on one host.
type Affinity struct {
	App    string
	Form   AffinityForm
	Prefer bool // a wish: said in plans, never refused
	Field  string
	Values []string
	Reason string

	CreatedAt time.Time
}

// String writes the rule as it is given to 'lodge affinity add'.
func (a Affinity) String() string {
	text := fmt.Sprintf("%s %s %s=%s", a.App, a.Form, a.Field, strings.Join(a.Values, ","))
	if a.Prefer {
		text += " --prefer"
	}
	return text
}

// Check reports whether the rule can be kept.
func (a Affinity) Check() error {
	if err := CheckName("the application", a.App); err != nil {
		return err
	}
	if a.Form != Apart && a.Form != Together {
		return Errorf(ErrInvalid, "%q is no affinity; it is apart or together", a.Form)
	}
	if len(a.Values) == 0 || slices.Contains(a.Values, "") {
		return Errorf(ErrInvalid, "the members of %s are chosen by a field and its values, like env=prod,dr", a.App)
	}
	for i, v := range a.Values {
		if slices.Contains(a.Values[:i], v) {
			return Errorf(ErrInvalid, "%s=%s names %s twice", a.Field, strings.Join(a.Values, ","), v)
		}
		if _, err := ParseFilter(a.Field + "=" + quoteWord(v, true)); err != nil {
			return err
		}
	}
	return nil
}

// member returns the value c is a member with, "" if it is none. The trash has no members.
func (a Affinity) member(c *Container) string {
	if c.IsTrashed() || c.Labels[AppLabel] != a.App {
		return ""
	}
	value, _ := ContainerSubject{Container: c}.Field(a.Field)
	if !slices.Contains(a.Values, value) {
		return ""
	}
	return value
}

// Conflicts are the containers c can't be on its host with, or has to be on a host with and is not,
// among all.
func (a Affinity) Conflicts(c *Container, all []*Container) []*Container {
	mine := a.member(c)
	if mine == "" {
		return nil
	}
	var out []*Container
	for _, other := range all {
		theirs := a.member(other)
		if other.ID == c.ID || theirs == "" {
			continue
		}
		same := other.HostID == c.HostID
		differ := theirs != mine || len(a.Values) == 1
		if a.Form == Apart && same && differ || a.Form == Together && !same {
			out = append(out, other)
		}
	}
	return out
}

// Violation says in a sentence how c breaks the rule; "" if it does not.
func (a Affinity) Violation(c *Container, all []*Container) string {
	conflicts := a.Conflicts(c, all)
	if len(conflicts) == 0 {
		return ""
	}
	var names []string
	for _, other := range conflicts {
		names = append(names, other.Ref().String())
	}
	where := "is on the same host"
	if len(names) > 1 {
		where = "are on the same host"
	}
	if a.Form == Together {
		where = "on another host"
	}
	return fmt.Sprintf("%s has to be %s by %s=%s, and %s %s", a.App, a.Form, a.Field,
		strings.Join(a.Values, ","), strings.Join(names, ", "), where)
}

// Refusal is the error about c, which would break the rule.
func (a Affinity) Refusal(c *Container, violation string) error {
	return Errorf(ErrDenied, "%s can't be here: %s; another host would do, or 'lodge affinity remove %s'", c.Ref(), violation, a.App)
}

// AffinityArgs are the parameters of affinity.add.
type AffinityArgs struct {
	App     string `json:"app" doc:"The value of the label app."`
	Form    string `json:"form" enum:"apart,together"`
	Members string `json:"members" doc:"A field and the values members have, like env=prod,dr." example:"env=prod,dr"`
	Prefer  bool   `json:"prefer,omitempty" doc:"Say so in plans, and refuse nothing."`
}

// Affinity is the rule of the parameters, checked.
func (a AffinityArgs) Affinity() (Affinity, error) {
	field, values, ok := strings.Cut(a.Members, "=")
	if !ok {
		return Affinity{}, Errorf(ErrInvalid,
			"the members of %s are chosen by a field and its values, like env=prod,dr; %q is none", a.App, a.Members)
	}
	rule := Affinity{App: a.App, Form: AffinityForm(a.Form), Prefer: a.Prefer,
		Field: strings.TrimSpace(field), Values: strings.Split(values, ",")}
	return rule, rule.Check()
}

// AffinityNameArgs are the parameters of affinity.remove.
type AffinityNameArgs struct {
	App string `json:"app"`
}
