package lxc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
)

// hierarchies says where the host has its cgroup controllers: each either on a v1 hierarchy of its
// own (with others, at times) or on the unified one (cgroups(7)).
type hierarchies struct {
	v1             map[string]string // controller -> mount point
	named          []string          // mount points of v1 hierarchies without a controller
	unified        string            // mount point of cgroup2, "" when there is none
	controllers    []string          // on the unified hierarchy
	swapAccounting bool              // v1 only: memory.memsw.* exist
	hugetlb        bool              // the unified hierarchy hands the controller down
	hugepages      []string          // sizes of huge pages: "2MB"
}

// hostHierarchies reads the layout of this host.
func hostHierarchies() (hierarchies, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return hierarchies{}, err
	}
	return readHierarchies(string(text)), nil
}

// readHierarchies finds the cgroup mounts in a mountinfo text (proc_pid_mountinfo(5)).
func readHierarchies(mountinfo string) hierarchies {
	h := hierarchies{v1: map[string]string{}}
	for line := range strings.Lines(mountinfo) {
		m, ok := parseMount(line)
		switch {
		case !ok:
		case m.fstype == "cgroup2" && h.unified == "":
			h.unified = m.point
		case m.fstype == "cgroup":
			h.addV1(m)
		}
	}
	if text, err := os.ReadFile(filepath.Join(h.unified,
		"cgroup.controllers")); h.unified != "" && err == nil {
		h.controllers = strings.Fields(string(text))
	}
	if dir := h.v1["memory"]; dir != "" {
		_, err := os.Stat(filepath.Join(dir, "memory.memsw.limit_in_bytes"))
		h.swapAccounting = err == nil
	}
	return h
}

func (h *hierarchies) addV1(m mount) {
	named := true
	for option := range strings.SplitSeq(m.options, ",") {
		switch option {
		case "rw", "ro", "xattr", "clone_children", "noprefix":
			continue
		}
		if strings.Contains(option, "=") {
			continue
		}
		named = false
		if _, twice := h.v1[option]; !twice {
			h.v1[option] = m.point
		}
	}
	if named {
		h.named = append(h.named, m.point)
	}
}

// isV1 reports whether the controller is on a v1 hierarchy.
func (h hierarchies) isV1(controller string) bool { return h.v1[controller] != "" }

// has reports whether the controller can be used at all.
func (h hierarchies) has(controller string) bool {
	return h.isV1(controller) || slices.Contains(h.controllers, controller)
}

// isPureV2 reports whether no v1 hierarchy is mounted.
func (h hierarchies) isPureV2() bool { return len(h.v1) == 0 && len(h.named) == 0 && h.unified != "" }

// Cgroups tells how this host has its control groups; "" if it can't be told.
func Cgroups() inventory.CgroupLayout {
	h, err := hostHierarchies()
	switch {
	case err != nil:
		return ""
	case h.isPureV2():
		return inventory.CgroupsV2
	case h.unified != "":
		return inventory.CgroupsHybrid
	}
	return inventory.CgroupsV1
}

// roots returns the mount point of every hierarchy once.
func (h hierarchies) roots() []string {
	var all []string
	for _, point := range h.v1 {
		all = append(all, point)
	}
	all = append(all, h.named...)
	if h.unified != "" {
		all = append(all, h.unified)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// bases are the directories below which liblxc makes cgroups where they are not the roots: those of
// PID 1, without systemd's own scope (cgfsng.c, prune_init_scope). text is its /proc/PID/cgroup.
func (h hierarchies) bases(text string) (dirs []string) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		path := strings.TrimSuffix(fields[2], "/init.scope")
		if path == "" || path == "/" {
			continue
		}
		for _, root := range h.mounts(fields[1]) {
			dirs = append(dirs, filepath.Join(root, path))
		}
	}
	return dirs
}

// mounts are the mount points of the hierarchy that /proc/PID/cgroup calls by these controllers.
func (h hierarchies) mounts(controllers string) (points []string) {
	name, named := strings.CutPrefix(controllers, "name=")
	switch {
	case controllers == "" && h.unified != "":
		return []string{h.unified}
	case named:
		return slices.DeleteFunc(slices.Clone(h.named),
			func(point string) bool { return filepath.Base(point) != name })
	}
	for controller := range strings.SplitSeq(controllers, ",") {
		if point := h.v1[controller]; point != "" && !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	return points
}

// key is the liblxc configuration key for a cgroup file of the controller.
func (h hierarchies) key(k knob) string {
	if h.isV1(k.controller) {
		return "lxc.cgroup." + k.file
	}
	return "lxc.cgroup2." + k.file
}

type mount struct{ point, fstype, source, options string }

// parseMount reads one line of mountinfo. Points with blanks are escaped there; none of those
// looked for has any.
func parseMount(line string) (mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 {
		return mount{}, false
	}
	return mount{point: left[4], fstype: right[0], source: right[1], options: right[2]}, true
}
