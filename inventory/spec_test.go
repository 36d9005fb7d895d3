package inventory

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var specTable = NewSettings([]Setting{
	{Name: "cpus", Type: TypeCPUs, Default: "1", Effect: EffectLive, Scopes: []Scope{ScopeContainer}},
	{Name: "memory", Type: TypeBytes, Default: "512MiB", Effect: EffectLive, Risk: RiskLow, Scopes: []Scope{ScopeContainer}},
	{Name: "disk", Type: TypeBytes, Default: "10GiB", Effect: EffectLive, Scopes: []Scope{ScopeContainer}},
	{Name: "nesting", Type: TypeBool, Default: "false", Effect: EffectRestart, Scopes: []Scope{ScopeContainer}},
	{Name: "mirror", Type: TypeText, Scopes: []Scope{ScopeHost}},
})

// estate has web1 after db1, and old in the trash, in project shop.
func estate() Estate {
	made := func(name string, after ...string) *Container {
		return &Container{Name: name, Project: "shop", Image: "debian/12", ImageDigest: "sha256:1", Pool: DefaultPool, Purpose: "x", Owner: "dev1",
			Environment: "dev", DataClass: "internal", After: after, Intent: IntentRun, Revision: 7,
			Settings: map[string]string{"memory": "1GiB"}, Labels: map[string]string{"tier": "front"},
			NICs: []NIC{{Network: "default", IPv4: netip.MustParseAddr("10.0.0.2")}}}
	}
	old := made("old")
	old.TrashedAt = old.CreatedAt.Add(1)
	return Estate{Containers: []*Container{made("web1", "db1"), made("db1"), old}, Settings: specTable,
		Projects: []Project{{Name: "default"}, {Name: "shop", Image: "corp/base"}}}
}

// web1 is the spec of estate's web1.
func web1() Spec {
	return Spec{Name: "web1", Project: "shop", Image: "debian/12", Purpose: "x", Owner: "dev1", Environment: "dev",
		Labels: map[string]string{"tier": "front"}, Memory: "1GiB", After: []string{"db1"}}
}

// verbs writes the steps of a plan: verb, container, and what is set (+), changed (~) and unset (-).
func verbs(p SpecPlan) string {
	var out []string
	for _, s := range p.Steps {
		text := strings.TrimPrefix(s.Verb, "container.") + " " + s.Name
		if s.Device != nil {
			text += "/" + s.Device.Name
		}
		if s.Volume != nil {
			text += " size=" + s.Volume.Size
		}
		if u := s.VolumeUpdate; u != nil {
			for name, f := range map[string]*bool{"shared": u.Shared, "backup": u.Backup} {
				if f != nil {
					text += fmt.Sprint(" ", name, "=", *f)
				}
			}
		}
		if u := s.Update; u != nil {
			for name, f := range map[string]*string{"owner": u.Owner, "purpose": u.Purpose, "environment": u.Environment, "class": u.DataClass} {
				if f != nil {
					text += " " + name + "=" + *f
				}
			}
			if u.After != nil {
				text += fmt.Sprint(" after=", *u.After)
			}
			for _, m := range []map[string]string{u.Labels, u.Settings} {
				for _, k := range slices.Sorted(maps.Keys(m)) {
					text += " " + k + "=" + m[k]
				}
			}
			for _, k := range slices.Concat(u.Unlabel, u.Unset) {
				text += " -" + k
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestPlanSpecs(t *testing.T) {
	with := func(change func(*Spec)) []Spec {
		s := web1()
		change(&s)
		return []Spec{s}
	}
	fresh := func(name string, after ...string) Spec {
		return Spec{Name: name, Purpose: "y", Image: "i", After: after}
	}
	for name, tt := range map[string]struct {
		specs []Spec
		want  string // the steps, or part of the error after "!"
	}{
		"nothing at all":         {nil, ""},
		"as it is":               {[]Spec{web1()}, ""},
		"said otherwise":         {with(func(s *Spec) { s.Memory, s.Settings = "", map[string]string{"memory": "1024MiB"} }), ""},
		"what is given once":     {with(func(s *Spec) { s.Owner, s.Image, s.Environment = "", "", "" }), ""},
		"said again":             {with(func(s *Spec) { s.IP, s.Network, s.Intent, s.DataClass = "10.0.0.2", "default", "run", "internal" }), ""},
		"changed":                {with(func(s *Spec) { s.Memory, s.Owner = "2GiB", "dev2" }), "update web1 owner=dev2 memory=2GiB"},
		"unset":                  {with(func(s *Spec) { s.Memory, s.Labels, s.After = "", nil, nil }), "update web1 after=[] -tier -memory"},
		"stopped":                {with(func(s *Spec) { s.Intent = IntentStop }), "stop web1"},
		"changed and stopped":    {with(func(s *Spec) { s.Intent, s.CPUs = IntentStop, "2" }), "stop web1; update web1 cpus=2"},
		"new":                    {[]Spec{fresh("a")}, "launch a"},
		"new and stopped":        {[]Spec{{Name: "a", Purpose: "y", Image: "i", Intent: IntentStop}}, "create a"},
		"the project's image":    {[]Spec{{Name: "a", Project: "shop", Purpose: "y"}}, "launch a"},
		"in their order":         {[]Spec{fresh("a", "b"), fresh("b", "c"), fresh("c"), fresh("d")}, "launch c; launch d; launch b; launch a"},
		"after what is new":      {with(func(s *Spec) { s.After = []string{"db1", "zz"} })[:1], "! can't come after zz"},
		"an order turned around": {[]Spec{with(func(s *Spec) { s.After = nil })[0], {Name: "db1", Project: "shop", Purpose: "x", Labels: web1().Labels, Memory: "1GiB", After: []string{"web1"}}}, "update web1 after=[]; update db1 after=[web1]"},
		"a circle":               {[]Spec{fresh("a", "b"), fresh("b", "a"), fresh("c")}, "!a, b can't come up: what they come after goes in a circle"},
		"a circle with others":   {[]Spec{{Name: "db1", Project: "shop", Purpose: "x", After: []string{"web1"}}}, "!shop/db1 can't come up"},
		"after itself":           {[]Spec{fresh("a", "a")}, "!circle"},
		"after another project":  {[]Spec{fresh("a", "db1")}, "!can't come after db1"},
		"twice":                  {[]Spec{fresh("a"), fresh("a")}, "!a stands twice"},
		"a size twice":           {with(func(s *Spec) { s.Settings = map[string]string{"memory": "1GiB"} }), "!memory stands twice"},
		"no image":               {[]Spec{{Name: "a", Purpose: "y"}}, "!needs an image"},
		"no purpose":             {[]Spec{{Name: "a", Image: "i"}}, "!needs a purpose"},
		"no name":                {[]Spec{{Purpose: "y"}}, "!needs a name"},
		"no project":             {[]Spec{{Name: "a", Project: "none", Purpose: "y"}}, "!no project none"},
		"another image":          {with(func(s *Spec) { s.Image = "debian/13" }), "!was made from debian/12"},
		"another address":        {with(func(s *Spec) { s.IP = "10.0.0.9" }), "!holds 10.0.0.2"},
		"another network":        {with(func(s *Spec) { s.Network = "lab" }), "!is on network default"},
		"the pool it is in":      {with(func(s *Spec) { s.Pool = "default" }), ""},
		"another pool":           {with(func(s *Spec) { s.Pool = "fast" }), "!'lodge move shop/web1 --pool fast'"},
		"in the trash":           {[]Spec{{Name: "old", Project: "shop", Purpose: "x"}}, "!lies in the trash"},
		"no setting":             {with(func(s *Spec) { s.Settings = map[string]string{"colour": "red"} }), "!web1: there is no setting"},
		"not a container's":      {with(func(s *Spec) { s.Settings = map[string]string{"mirror": "x"} }), "!can't be set on a container"},
		"an odd intent":          {with(func(s *Spec) { s.Intent = "walk" }), "!neither run nor stop"},
		"an odd environment":     {with(func(s *Spec) { s.Environment = "live" }), "!no environment"},
		"an odd label":           {with(func(s *Spec) { s.Labels = map[string]string{"a b": "c"} }), "!label"},
	} {
		t.Run(name, func(t *testing.T) {
			e := estate()
			plan, err := e.Plan(Specs{Containers: tt.specs})
			if part, wrong := strings.CutPrefix(tt.want, "!"); wrong {
				if _, kind := Kind(err); err == nil || !kind || !strings.Contains(err.Error(), strings.TrimSpace(part)) || len(plan.Steps) > 0 {
					t.Errorf("%v, %s; want %q", err, verbs(plan), part)
				}
				return
			}
			if err != nil || verbs(plan) != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, verbs(plan), tt.want)
			}
			if want := len(tt.specs); tt.want == "" && plan.Unchanged != want {
				t.Errorf("%d unchanged, want %d", plan.Unchanged, want)
			}
			if !reflect.DeepEqual(e, estate()) {
				t.Error("planning has changed what it looked at")
			}
			for _, s := range plan.Steps {
				if len(s.Effects) == 0 || s.Create != nil && s.Revision != 0 {
					t.Errorf("%+v", s)
				}
			}
			if len(plan.Steps) > 0 && (plan.Steps[0].Create == nil) != (plan.Steps[0].Revision == 7) {
				t.Errorf("%+v", plan.Steps[0])
			}
		})
	}
}

func TestPlanErrorsHaveAKind(t *testing.T) {
	_, err := estate().Plan(Specs{Containers: []Spec{{Name: "old", Project: "shop", Purpose: "x"}}})
	if !errors.Is(err, ErrExists) {
		t.Error(err)
	}
}
