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
	Unchanged int        `json:"unchanged" doc:"Containers that are as their specs say."`
}

// A SpecStep is one operation of a plan: a verb on a container, with its parameters.
type SpecStep struct {
	Verb     string       `json:"verb" doc:"container.launch, .create, .update, .start or .stop."`
	Name     string       `json:"name"`
	Project  string       `json:"project"`
	Revision int64        `json:"revision,omitempty" doc:"Of the container the plan was made for; absent for a new one."`
	Create   *CreateArgs  `json:"create,omitempty" doc:"Parameters of container.launch and container.create."`
	Update   *UpdateArgs  `json:"update,omitempty" doc:"Parameters of container.update."`
	Effects  []EffectLine `json:"effects" nullable:"false"`
}

// Plan compares specs with the estate. Containers that no spec names are left alone. An error says
// of the first spec that can't be what is wrong with it; then nothing of the others may be done
// either.
func (e Estate) Plan(specs []Spec) (SpecPlan, error) {
	plan := SpecPlan{Steps: []SpecStep{}}
	wanted, err := e.wanted(specs)
	if err != nil {
		return plan, err
	}
	ordered, err := e.order(wanted)
	if err != nil {
		return plan, err
	}
	for _, w := range ordered {
		steps := e.steps(specs[w.spec], w.before, w.after)
		if len(steps) == 0 {
			plan.Unchanged++
		}
		plan.Steps = append(plan.Steps, steps...)
	}
	return plan, nil
}

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
				"%s lies in the trash; 'lodge trash restore %s' brings it back, 'lodge trash purge %s' frees the name",
				ref, ref, ref)
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
		for _, other := range c.After {
			if ref := (Ref{c.Project, other}); !known[ref.String()] {
				return nil, Errorf(ErrInvalid, "%s can't come after %s: there is no such container", name, other)
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

// steps are the operations that turn before into after.
func (e Estate) steps(s Spec, before, after *Container) []SpecStep {
	if before == nil {
		return []SpecStep{e.create(s, after)}
	}
	var out []SpecStep
	step := SpecStep{Name: after.Name, Project: after.Project, Revision: before.Revision}
	changed := after.Clone()
	changed.Intent = before.Intent
	if lines := Diff(before, changed, e.Settings); len(lines) > 0 {
		update := step
		update.Verb, update.Effects, update.Update = "container.update", lines, updateTo(before, changed)
		out = append(out, update)
	}
	if before.Intent != after.Intent {
		power := step
		power.Verb, power.Effects = "container.start", Diff(changed, after, e.Settings)
		if after.Intent == IntentStop {
			power.Verb = "container.stop"
		}
		out = append(out, power)
	}
	return out
}

func (e Estate) create(s Spec, c *Container) SpecStep {
	step := SpecStep{Verb: "container.launch", Name: c.Name, Project: c.Project,
		Effects: Diff(nil, c, e.Settings),
		Create: &CreateArgs{Image: c.Image, Name: c.Name, Project: c.Project, Owner: c.Owner,
			Purpose: c.Purpose, Environment: string(c.Environment), DataClass: c.DataClass,
			Labels: c.Labels, Settings: c.Settings, Network: s.Network, IP: s.IP, After: c.After}}
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
