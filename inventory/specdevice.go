package inventory

import (
	"maps"
	"slices"
	"strings"
)

// propertyType stands beside a device's properties in a spec.
const propertyType = "type"

// devicesOf writes devices as a spec has them: by name, without what they would be anyway.
func (e Estate) devicesOf(c *Container) map[string]map[string]string {
	if len(c.Devices) == 0 {
		return nil
	}
	out := map[string]map[string]string{}
	for _, d := range c.Devices {
		said := map[string]string{propertyType: d.Type}
		maps.Copy(said, d.Properties)
		row := e.DeviceTypes[d.Type]
		for _, p := range row.Properties {
			if said[p.Name] == p.Default && !slices.Contains(row.Required, p.Name) {
				delete(said, p.Name)
			}
		}
		out[d.Name] = said
	}
	return out
}

// devices are those of the spec, checked, in canonical form and sorted by name.
func (e Estate) devices(s Spec) (all []Device, err error) {
	volumes := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.Devices)) {
		d := Device{Name: name, Type: s.Devices[name][propertyType], Properties: maps.Clone(s.Devices[name])}
		if d.Type == "" {
			return nil, Errorf(ErrInvalid, "%s: device %s needs a type: %s", s.Ref(), name,
				strings.Join(slices.Sorted(maps.Keys(e.DeviceTypes)), ", "))
		}
		delete(d.Properties, propertyType)
		if d, err = e.DeviceTypes.Check(d); err != nil {
			return nil, Errorf(ErrInvalid, "%s: device %s: %w", s.Ref(), name, err)
		}
		if v := d.Volume(); v != "" && volumes[v] {
			return nil, Errorf(ErrInvalid, "%s would have volume %s twice; let one device show it", s.Ref(), v)
		}
		volumes[d.Volume()] = true
		all = append(all, d)
	}
	return all, CheckApart(all)
}

// checkVolumes refuses volumes that there are not, and two writers of one that is not shared.
func (e Estate) checkVolumes(wanted []want, volumes []volumeWant) error {
	shared := map[Ref]bool{}
	for _, v := range e.Volumes {
		shared[v.Ref()] = v.Shared
	}
	for _, v := range volumes {
		shared[v.after.Ref()] = v.after.Shared
	}
	writers := e.writersBeside(wanted)
	for _, w := range wanted {
		for _, d := range w.after.Devices {
			ref := Ref{w.after.Project, d.Volume()}
			if d.Volume() == "" {
				continue
			}
			alone, there := shared[ref]
			if !there {
				return Errorf(ErrInvalid, "%s can't have volume %s: there is none; give it a spec with kind: volume, or make it",
					w.after.Ref(), ref)
			}
			if d.IsReadOnly() || alone {
				continue
			}
			if other, taken := writers[ref]; taken {
				return Errorf(ErrState,
					"volume %s can't be attached to %s and %s: one container at a time may write to it; make it shared, or attach it read-only",
					ref, other, w.after.Ref())
			}
			writers[ref] = w.after.Ref()
		}
	}
	return nil
}

// writersBeside says which volumes containers write to that the specs don't name, those in the trash
// among them.
func (e Estate) writersBeside(wanted []want) map[Ref]Ref {
	named := map[Ref]bool{}
	for _, w := range wanted {
		named[w.after.Ref()] = true
	}
	out := map[Ref]Ref{}
	for _, c := range e.Containers {
		for _, d := range c.Devices {
			if d.Volume() != "" && !d.IsReadOnly() && !named[c.Ref()] {
				out[Ref{c.Project, d.Volume()}] = c.Ref()
			}
		}
	}
	return out
}

// deviceSteps are the operations that turn the devices of before into those of after. What gives a
// volume up comes early, before another container is to take it.
func (e Estate) deviceSteps(before, after *Container) (early, steps []SpecStep) {
	for _, d := range before.Devices {
		if now, has := after.Device(d.Name); has && now.Equal(d) {
			continue
		}
		without := before.Clone()
		without.RemoveDevice(d.Name)
		step := e.deviceStep("container.device.remove", d, before, without)
		if v := d.Volume(); v != "" && !slices.Contains(after.Volumes(), v) {
			early = append(early, step)
			continue
		}
		steps = append(steps, step)
	}
	for _, d := range after.Devices {
		if was, had := before.Device(d.Name); had && was.Equal(d) {
			continue
		}
		without := after.Clone()
		without.RemoveDevice(d.Name)
		steps = append(steps, e.deviceStep("container.device.add", d, without, after))
	}
	return early, steps
}

func (e Estate) deviceStep(verb string, d Device, from, to *Container) SpecStep {
	lines := Diff(from, to, e.Settings)
	e.DeviceTypes.Explain(lines, from, to)
	return SpecStep{Verb: verb, Name: to.Name, Project: to.Project, Device: &d, Effects: lines}
}

// TakenAway are the devices that a plan takes from containers without giving them back in another
// form, as CONTAINER/DEVICE.
func (p SpecPlan) TakenAway() (names []string) {
	given := map[string]bool{}
	for _, s := range p.Steps {
		if s.Verb == "container.device.add" {
			given[s.ref().String()+"/"+s.Device.Name] = true
		}
	}
	for _, s := range p.Steps {
		if s.Verb != "container.device.remove" {
			continue
		}
		if name := s.ref().String() + "/" + s.Device.Name; !given[name] {
			names = append(names, name)
		}
	}
	return names
}
