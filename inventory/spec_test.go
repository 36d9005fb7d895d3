package inventory

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
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

// done plays the agent: the estate after a plan.
func (e Estate) done(p SpecPlan) Estate {
	after := e
	after.Containers, after.Volumes = nil, slices.Clone(e.Volumes)
	for _, c := range e.Containers {
		after.Containers = append(after.Containers, c.Clone())
	}
	for n, s := range p.Steps {
		c := after.container(Ref{s.Project, s.Name})
		switch {
		case c == nil && s.Create == nil:
			after.doneVolume(s)
		case s.Verb == "container.device.add":
			c.SetDevice(*s.Device)
			c.Revision++
		case s.Verb == "container.device.remove":
			c.RemoveDevice(s.Device.Name)
			c.Revision++
		case s.Create != nil:
			a := s.Create
			p, _ := e.project(a.Project)
			c = &Container{Name: a.Name, Project: a.Project, Image: a.Image, Purpose: a.Purpose, Owner: cmpOr(a.Owner, "me"),
				Environment: Environment(a.Environment), DataClass: a.DataClass, Labels: a.Labels, Settings: a.Settings,
				After: a.After, Intent: IntentRun, Revision: 1, Devices: a.Devices, Pool: cmpOr(a.Pool, DefaultPool),
				NICs: []NIC{{Network: cmpOr(a.Network, cmpOr(p.Network, DefaultNetwork)), IPv4: netip.AddrFrom4([4]byte{10, 9, 0, byte(n)})}}}
			if a.IP != "" {
				c.NICs[0].IPv4, c.NICs[0].Pinned = netip.MustParseAddr(a.IP), true
			}
			if s.Verb == "container.create" {
				c.Intent = IntentStop
			}
			after.Containers = append(after.Containers, c)
		case s.Update != nil:
			for field, value := range map[*string]*string{&c.Owner: s.Update.Owner, &c.Purpose: s.Update.Purpose, &c.DataClass: s.Update.DataClass} {
				if value != nil {
					*field = *value
				}
			}
			if s.Update.Environment != nil {
				c.Environment = Environment(*s.Update.Environment)
			}
			if s.Update.After != nil {
				c.After = *s.Update.After
			}
			c.Labels, c.Settings = put(c.Labels, s.Update.Labels, s.Update.Unlabel), put(c.Settings, s.Update.Settings, s.Update.Unset)
			c.Revision++
		case s.Verb == "container.start":
			c.Intent = IntentRun
		case s.Verb == "container.stop":
			c.Intent = IntentStop
		}
	}
	return after
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func put(base, set map[string]string, unset []string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, base)
	maps.Copy(out, set)
	for _, name := range unset {
		delete(out, name)
	}
	return out
}

// doneVolume plays the agent where a step is about a volume.
func (e *Estate) doneVolume(s SpecStep) {
	v := e.volume(s.ref())
	switch {
	case s.Verb == "volume.create":
		size, _ := ParseBytes(s.Volume.Size)
		e.Volumes = append(e.Volumes, Volume{Name: s.Name, Project: s.Project, Size: size, Purpose: s.Volume.Purpose,
			Owner: cmpOr(s.Volume.Owner, "me"), Pool: cmpOr(s.Volume.Pool, DefaultPool), Backup: *s.Volume.Backup, Shared: s.Volume.Shared})
	case s.Verb == "volume.resize":
		v.Size, _ = ParseBytes(s.Volume.Size)
	default:
		if u := s.VolumeUpdate; u.Purpose != nil {
			v.Purpose = *u.Purpose
		}
		if u := s.VolumeUpdate; u.Owner != nil {
			v.Owner = *u.Owner
		}
		for field, value := range map[*bool]*bool{&v.Backup: s.VolumeUpdate.Backup, &v.Shared: s.VolumeUpdate.Shared} {
			if value != nil {
				*field = *value
			}
		}
	}
}

// export is what export-spec --all writes.
func (e Estate) export() (out Specs) {
	for _, c := range e.Containers {
		if !c.IsTrashed() {
			out.Containers = append(out.Containers, e.SpecOf(c))
		}
	}
	SortSpecs(out.Containers)
	out.Volumes = e.VolumeSpecs("", true, nil)
	return out
}

// anySpecs makes specs at random: names, projects, sizes, labels, order, addresses.
func anySpecs(r *rand.Rand) (out []Spec) {
	some := func(values ...string) string { return values[r.IntN(len(values))] }
	for n := range 1 + r.IntN(6) {
		s := Spec{Name: fmt.Sprintf("c%d", n), Project: some("", "default", "shop"), Image: some("debian/12", "debian/13"), Purpose: some("x", "y: # z"),
			Owner: some("dev1", "dev2"), Environment: some("prod", "dev"), DataClass: some("", "internal", "restricted"),
			CPUs: some("", "2", "0.5"), Memory: some("", "1GiB", "1.5GiB"), Disk: some("", "5GiB"),
			Network: some("", "default", "lab"), Intent: Intent(some("", "run", "stop"))}
		s.Pool = some("", "", "fast")
		if r.IntN(3) == 0 {
			s.IP = fmt.Sprintf("10.9.1.%d", n)
		}
		if r.IntN(2) == 0 {
			s.Settings = map[string]string{"nesting": some("true", "1", "false")}
		}
		for range r.IntN(3) {
			s.Labels = put(s.Labels, map[string]string{some("a", "b", "c"): some("", "1", "true")}, nil)
		}
		s.Devices = anyDevices(r)
		for m := range n {
			if out[m].Ref().Project == s.Ref().Project && r.IntN(3) == 0 {
				s.After = append(s.After, out[m].Name)
			}
		}
		out = append(out, s)
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// anyDevices makes devices at random, of volumes that everybody may share.
func anyDevices(r *rand.Rand) map[string]map[string]string {
	all := map[string]map[string]string{
		"scratch": {"type": "tmpfs", "path": "/scratch"},
		"data":    {"type": "disk", "path": "/srv", "volume": "data"},
		"web":     {"type": "proxy", "listen": "tcp:127.0.0.1:80"},
	}
	for name, properties := range all {
		switch r.IntN(4) {
		case 0:
			delete(all, name)
		case 1:
			properties["readonly"] = []string{"true", "false", "1"}[r.IntN(3)]
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// anyVolumes makes the volumes of anyDevices in both projects.
func anyVolumes(r *rand.Rand) (out []VolumeSpec) {
	for _, project := range []string{"", "shop"} {
		v := VolumeSpec{Name: "data", Project: project, Size: []string{"64MiB", "1GiB", "1.5GiB"}[r.IntN(3)],
			Purpose: []string{"", "x"}[r.IntN(2)], Owner: []string{"", "dev1"}[r.IntN(2)], Shared: true}
		if no := false; r.IntN(2) == 0 {
			v.Backup = &no
		}
		out = append(out, v)
	}
	return out
}

// TestSpecRoundTrip: what was applied is exported, in a stable order; applied again, or exported and
// applied, it changes nothing; and whatever was there before, it ends the same.
func TestSpecRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		e := Estate{Settings: specTable, DeviceTypes: deviceTable, Projects: []Project{{Name: "default"}, {Name: "shop", Network: "lab"}}}
		specs := Specs{Containers: anySpecs(r), Volumes: anyVolumes(r)}
		if r.IntN(2) == 0 { // over something
			was := Specs{Containers: anySpecs(r), Volumes: anyVolumes(r)}
			for i := range was.Containers { // what is given once is the same
				c := &was.Containers[i]
				for _, s := range specs.Containers {
					if s.Name == c.Name {
						c.Project, c.Image, c.Network, c.IP, c.Pool = s.Project, s.Image, s.Network, s.IP, s.Pool
					}
				}
				c.After = nil
			}
			plan, err := e.Plan(was)
			if err != nil {
				t.Fatal(seed, err)
			}
			e = e.done(plan)
		}
		plan, err := e.Plan(specs)
		if err != nil {
			t.Fatal(seed, err)
		}
		for cut := range len(plan.Steps) { // interrupted anywhere, the same again does the rest
			if seed%16 != 0 {
				break
			}
			half := e.done(SpecPlan{Steps: plan.Steps[:cut]})
			rest, err := half.Plan(specs)
			if err != nil || len(rest.Steps) == 0 {
				t.Fatalf("seed %d after %d of %s: %v, %s", seed, cut, verbs(plan), err, verbs(rest))
			}
			if again, err := half.done(rest).Plan(specs); err != nil || len(again.Steps) > 0 {
				t.Fatalf("seed %d after %d of %s and %s: %v, %s", seed, cut, verbs(plan), verbs(rest), err, verbs(again))
			}
		}
		e = e.done(plan)
		exported := e.export()
		for name, again := range map[string]Specs{"the specs": specs, "what was exported": exported} {
			plan, err := e.Plan(again)
			if err != nil || len(plan.Steps) > 0 {
				t.Fatalf("seed %d: %s again: %v %s", seed, name, err, verbs(plan))
			}
		}
		for _, s := range specs.Containers {
			i := slices.IndexFunc(exported.Containers, func(x Spec) bool { return x.Ref() == s.Ref() })
			if got, want := plain(e, exported.Containers[i]), plain(e, s); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, want)
			}
		}
		e.checkVolumesOf(t, seed, specs)
	}
}

func (e Estate) checkVolumesOf(t *testing.T, seed uint64, specs Specs) {
	t.Helper()
	for _, s := range specs.Volumes {
		v := e.volume(s.Ref())
		if want, _ := e.volumeOver(s, v); !reflect.DeepEqual(*v, want) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, *v, want)
		}
	}
}

// plain is the spec with everything said, so that two that mean the same are equal.
func plain(e Estate, s Spec) Spec {
	c, err := e.over(s, nil)
	if err != nil {
		panic(err)
	}
	p, _ := e.project(c.Project)
	return Spec{Name: c.Name, Project: c.Project, Image: c.Image, Purpose: c.Purpose, Owner: c.Owner,
		Environment: string(c.Environment), DataClass: c.DataClass, Labels: put(c.Labels, nil, nil), Settings: c.Settings,
		Pool: cmpOr(s.Pool, DefaultPool), Network: cmpOr(s.Network, cmpOr(p.Network, DefaultNetwork)), IP: s.IP,
		After: slices.Sorted(slices.Values(s.After)), Intent: c.Intent, Devices: Estate{}.devicesOf(c)}
}

func TestPlanErrorsHaveAKind(t *testing.T) {
	_, err := estate().Plan(Specs{Containers: []Spec{{Name: "old", Project: "shop", Purpose: "x"}}})
	if !errors.Is(err, ErrExists) {
		t.Error(err)
	}
}
