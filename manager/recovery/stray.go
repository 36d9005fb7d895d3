package recovery

import (
	"fmt"
	"maps"
	"slices"

	"lodge/inventory"
)

// A Scene is what was found on the host at one instant, to be compared with the inventory.
type Scene struct {
	Containers []*inventory.Container // all of the host, the trash included
	// Roots are the ids of the root file systems of each pool that could be listed.
	Roots map[string][]string
	// Snapshots are those on the pools, and Recorded those of the database, as "ID/NAME".
	Snapshots []string
	Recorded  []string
	Folders   []string // below the lxcpath
	Mounts    []string // ids of containers whose root is mounted
	Busy      []string // ids of containers an operation works on: they may be in any state
}

// Strays are what does not fit, in a stable order. What an operation works on just now is left out.
func Strays(s Scene) []inventory.Stray {
	var out []inventory.Stray
	known, named := map[string]*inventory.Container{}, map[string]bool{}
	for _, c := range s.Containers {
		known[string(c.ID)] = c
		named[c.LXCName()] = true
	}
	busy := func(id string) bool { return slices.Contains(s.Busy, id) }
	for _, pool := range slices.Sorted(maps.Keys(s.Roots)) {
		for _, id := range s.Roots[pool] {
			if known[id] == nil && !busy(id) {
				out = append(out, inventory.Stray{Kind: inventory.StrayRoot, Name: id,
					Detail: "a root file system in pool " + pool + " that no container has",
					Advice: "if 'lodged recover' can't bring its container back, copy what you need and delete it"})
			}
		}
	}
	out = append(out, lost(s, busy)...)
	for _, name := range s.Snapshots {
		id, _, _ := cutLast(name)
		if !slices.Contains(s.Recorded, name) && !busy(id) && known[id] != nil {
			out = append(out, inventory.Stray{Kind: inventory.StraySnapshot, Name: name,
				Detail: "a snapshot of " + known[id].Ref().String() + " that is in no list",
				Advice: "it takes room; delete it on the pool if nobody knows it"})
		}
	}
	for _, name := range s.Folders {
		if !named[name] && len(s.Busy) == 0 {
			out = append(out, inventory.Stray{Kind: inventory.StrayRogue, Name: name,
				Detail: "an LXC container of the agent's lxcpath that it did not make",
				Advice: fmt.Sprintf("stop it with lxc-stop -P and remove its folder, or make it again with 'lodge create %s'", name)})
		}
	}
	for _, id := range s.Mounts {
		if known[id] == nil && !busy(id) {
			out = append(out, inventory.Stray{Kind: inventory.StrayMount, Name: id,
				Detail: "the root of a container that does not exist is mounted",
				Advice: "umount it; it keeps the data of its pool busy"})
		}
	}
	return out
}

// lost are the containers whose root file system is in none of the pools that could be listed.
func lost(s Scene, busy func(id string) bool) []inventory.Stray {
	var out []inventory.Stray
	for _, c := range s.Containers {
		roots, listed := s.Roots[c.Pool]
		if !listed || slices.Contains(roots, string(c.ID)) || busy(string(c.ID)) {
			continue
		}
		stray := inventory.Stray{Kind: inventory.StrayLost, Name: c.Ref().String(),
			Detail: "its root file system is not in pool " + c.Pool,
			Advice: fmt.Sprintf("'lodge delete --purge %s' frees its name and address", c.Ref())}
		if i := slices.IndexFunc(s.Snapshots, func(n string) bool {
			id, _, _ := cutLast(n)
			return id == string(c.ID)
		}); i >= 0 {
			_, name, _ := cutLast(s.Snapshots[i])
			stray.Advice = fmt.Sprintf("'lodge snapshot restore %s %s' makes it again", c.Ref(), name)
		}
		out = append(out, stray)
	}
	return out
}

func cutLast(name string) (id, snapshot string, ok bool) {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}
