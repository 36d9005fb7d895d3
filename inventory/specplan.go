package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A SpecPlan is what it takes to make containers what their specs say: operations, in the order in
// which they have to end.
type SpecPlan struct {
	Steps     []SpecStep `json:"steps" nullable:"false"`
	Unchanged int        `json:"unchanged" doc:"Volumes and containers that are as their specs say."`
}

// A SpecStep is one operation of a plan: a verb on a container or a volume, with its parameters.
type SpecStep struct {
	Verb         string            `json:"verb" doc:"Of a volume: volume.create, .resize, .update. Of a container: container.launch, .create, .update, .device.add, .device.remove, .start, .stop."`
	Name         string            `json:"name"`
	Project      string            `json:"project"`
	Revision     int64             `json:"revision,omitempty" doc:"Of the container the plan was made for, on the first of its steps; absent for a new one."`
	Create       *CreateArgs       `json:"create,omitempty" doc:"Parameters of container.launch and container.create."`
	Update       *UpdateArgs       `json:"update,omitempty" doc:"Parameters of container.update."`
	Device       *Device           `json:"device,omitempty" doc:"Of container.device.add and .device.remove."`
	Volume       *VolumeArgs       `json:"volume,omitempty" doc:"Parameters of volume.create and volume.resize."`
	VolumeUpdate *VolumeUpdateArgs `json:"volume_update,omitempty" doc:"Parameters of volume.update."`
	Effects      []EffectLine      `json:"effects" nullable:"false"`
}

func (s SpecStep) ref() Ref { return Ref{s.Project, s.Name} }

// Plan compares specs with the estate: volumes first, then containers in the order of what they come
// after, each with its devices before it starts. Containers and volumes that no spec names are left
// alone. An error says of the first spec that can't be what is wrong with it; then nothing of the
// others may be done either.
func (e Estate) Plan(specs Specs) (SpecPlan, error) {
	plan := SpecPlan{Steps: []SpecStep{}}
	volumes, err := e.wantedVolumes(specs.Volumes)
	if err != nil {
		return plan, err
	}
	wanted, err := e.wanted(specs.Containers)
	if err != nil {
		return plan, err
	}
	ordered, err := e.order(wanted)
	if err == nil {
		err = e.checkVolumes(ordered, volumes)
	}
	if err != nil {
		return plan, err
	}
	e.fill(&plan, specs, volumes, ordered)
	return plan, nil
}

// fill puts the steps into their order: what stops, the last in the boot order first; what gives a
// volume up, before another container takes it; everything else in the boot order; and what ends the
// sharing of a volume.
func (e Estate) fill(plan *SpecPlan, specs Specs, volumes []volumeWant, ordered []want) {
	var last, stops, early, main []SpecStep
	for _, v := range volumes {
		steps, ending := v.steps()
		if len(steps)+len(ending) == 0 {
			plan.Unchanged++
		}
		plan.Steps, last = append(plan.Steps, steps...), append(last, ending...)
	}
	for _, w := range ordered {
		s := e.steps(specs.Containers[w.spec], w.before, w.after)
		if len(s.stop)+len(s.early)+len(s.main) == 0 {
			plan.Unchanged++
		}
		stops, early, main = append(s.stop, stops...), append(early, s.early...), append(main, s.main...)
	}
	plan.Steps = append(plan.Steps, slices.Concat(stops, early, main, last)...)
	e.bind(plan.Steps)
}

// bind gives the first step on each container the revision it was planned for.
func (e Estate) bind(steps []SpecStep) {
	bound := map[Ref]bool{}
	for i, s := range steps {
		if c := e.container(s.ref()); c != nil && s.isOfContainer() && !bound[s.ref()] {
			steps[i].Revision, bound[s.ref()] = c.Revision, true
		}
	}
}

func (s SpecStep) isOfContainer() bool { return strings.HasPrefix(s.Verb, "container.") }

// A want is a container before and after the plan; before is nil for a new one.
type want struct {
	spec          int
	before, after *Container
}

// wanted makes every spec a container, by reference.
func (e Estate) wanted(specs []Spec) (map[string]want, error) {
	out := map[string]want{}
	for i, s := range specs {
		ref := s.Ref()
		if err := CheckName("the container", s.Name); err != nil {
			return nil, err
		}
		if _, twice := out[ref.String()]; twice {
			return nil, Errorf(ErrInvalid, "%s stands twice in the spec; let it stand once", ref)
		}
		before := e.container(ref)
		if before != nil && before.IsTrashed() {
			return nil, Errorf(ErrExists,
				"%s lies in the trash; 'lodge trash restore %s' brings it back, 'lodge trash purge %s' frees the name, 'lodge rename %s NEW' keeps it there under another",
				ref, ref, ref, ref)
		}
		after, err := e.over(s, before)
		if err != nil {
			return nil, err
		}
		out[ref.String()] = want{i, before, after}
	}
	return out, nil
}

// order sorts the wanted containers so that each comes after those it names in after. On the way
// there is no circle either: what a container comes to wait for has its final order already.
func (e Estate) order(wanted map[string]want) ([]want, error) {
	var all []*Container
	known := map[string]bool{}
	for _, c := range e.Containers {
		known[c.Ref().String()] = true
		if _, named := wanted[c.Ref().String()]; !named && !c.IsTrashed() {
			all = append(all, c)
		}
	}
	for name, w := range wanted {
		known[name] = true
		all = append(all, w.after)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		c := wanted[name].after
		for _, other := range c.Dependencies() {
			if ref := (Ref{c.Project, other.Name}); !known[ref.String()] {
				return nil, Errorf(ErrInvalid, "%s can't come after %s: there is no such container", name, other.Name)
			}
		}
	}
	waves, stuck := BootOrder(all)
	var circle []string
	for _, c := range stuck {
		if _, named := wanted[c.Ref().String()]; named {
			circle = append(circle, c.Ref().String())
		}
	}
	if len(circle) > 0 {
		return nil, Errorf(ErrInvalid, "%s can't come up: what they come after goes in a circle; nothing was changed",
			strings.Join(circle, ", "))
	}
	var out []want
	for _, c := range slices.Concat(waves...) {
		if w, named := wanted[c.Ref().String()]; named {
			out = append(out, w)
		}
	}
	return out, nil
}

// containerSteps are the operations on one container, by when they have their turn.
type containerSteps struct{ stop, early, main []SpecStep }

// steps are the operations that turn before into after.
func (e Estate) steps(s Spec, before, after *Container) (out containerSteps) {
	if before == nil {
		out.main = []SpecStep{e.create(s, after)}
		return out
	}
	step := SpecStep{Name: after.Name, Project: after.Project}
	changed := after.Clone()
	changed.Intent, changed.Devices = before.Intent, before.Devices
	if lines := Diff(before, changed, e.Settings); len(lines) > 0 {
		update := step
		update.Verb, update.Effects, update.Update = "container.update", lines, updateTo(before, changed)
		out.main = append(out.main, update)
	}
	early, devices := e.deviceSteps(before, after)
	out.early, out.main = early, append(out.main, devices...)
	if before.Intent == after.Intent {
		return out
	}
	meant := before.Clone()
	meant.Intent = after.Intent
	step.Verb, step.Effects = "container.start", Diff(before, meant, e.Settings)
	if after.Intent == IntentStop {
		step.Verb = "container.stop"
		out.stop = []SpecStep{step}
	} else {
		out.main = append(out.main, step)
	}
	return out
}

func (e Estate) create(s Spec, c *Container) SpecStep {
	step := SpecStep{Verb: "container.launch", Name: c.Name, Project: c.Project,
		Effects: Diff(nil, c, e.Settings),
		Create: &CreateArgs{Image: c.Image, Name: c.Name, Project: c.Project, Owner: c.Owner,
			Purpose: c.Purpose, Environment: string(c.Environment), DataClass: c.DataClass,
			Labels: c.Labels, Settings: c.Settings, Network: s.Network, IP: s.IP, After: c.After,
			Devices: c.Devices, Pool: c.Pool}}
	e.DeviceTypes.Explain(step.Effects, nil, c)
	if c.Intent == IntentStop {
		step.Verb = "container.create"
	}
	for _, f := range [][2]string{{"network", s.Network}, {"address", s.IP}} {
		if f[1] != "" {
			step.Effects = append(step.Effects, EffectLine{Field: f[0], After: f[1], Effect: EffectRestart})
		}
	}
	return step
}

// updateTo are the parameters that turn before into after.
func updateTo(before, after *Container) *UpdateArgs {
	args := &UpdateArgs{}
	for _, f := range []struct {
		arg      **string
		old, new string
	}{{&args.Owner, before.Owner, after.Owner}, {&args.Purpose, before.Purpose, after.Purpose},
		{&args.Environment, string(before.Environment), string(after.Environment)},
		{&args.DataClass, before.DataClass, after.DataClass}} {
		if f.old != f.new {
			*f.arg = &f.new
		}
	}
	if !slices.Equal(before.After, after.After) {
		names := append([]string{}, after.After...)
		args.After = &names
	}
	args.Labels, args.Unlabel = mapTo(before.Labels, after.Labels)
	args.Settings, args.Unset = mapTo(before.Settings, after.Settings)
	return args
}

// mapTo says what to set and what to take away to turn before into after.
func mapTo(before, after map[string]string) (set map[string]string, unset []string) {
	set = map[string]string{}
	for name, value := range after {
		if was, ok := before[name]; !ok || was != value {
			set[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			unset = append(unset, name)
		}
	}
	return set, unset
}

// SortSpecs puts specs into the order they are exported in: by project and name.
func SortSpecs(specs []Spec) {
	slices.SortFunc(specs, func(a, b Spec) int {
		return cmp.Or(cmp.Compare(a.Ref().Project, b.Ref().Project), cmp.Compare(a.Name, b.Name))
	})
}
