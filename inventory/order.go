package inventory

import (
	"slices"
	"strings"
)

// BootOrder sorts containers into waves: everything a container comes after is in an earlier wave.
// Within a wave the order is by name and all may start at once. A name in After that is not among
// the containers is no obstacle. Containers in a circle, and those behind it, come in no wave: they
// are returned as stuck.
func BootOrder(all []*Container) (waves [][]*Container, stuck []*Container) {
	waiting := map[string]*Container{}
	for _, c := range all {
		waiting[c.Ref().String()] = c
	}
	for len(waiting) > 0 {
		var wave []*Container
		for _, c := range waiting {
			if !waitsFor(c, waiting) {
				wave = append(wave, c)
			}
		}
		if len(wave) == 0 {
			break
		}
		byName(wave)
		waves = append(waves, wave)
		for _, c := range wave {
			delete(waiting, c.Ref().String())
		}
	}
	for _, c := range waiting {
		stuck = append(stuck, c)
	}
	byName(stuck)
	return waves, stuck
}

// waitsFor reports whether something c comes after is still waiting.
func waitsFor(c *Container, waiting map[string]*Container) bool {
	return slices.ContainsFunc(c.Dependencies(), func(d Dependency) bool {
		_, ok := waiting[Ref{Project: c.Project, Name: d.Name}.String()]
		return ok
	})
}

func byName(cs []*Container) {
	slices.SortFunc(cs, func(a, b *Container) int {
		return strings.Compare(a.Ref().String(),
			b.Ref().String())
	})
}
