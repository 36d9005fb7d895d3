package lxc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lodge/inventory"
)

// hugepageSizes are the kernel's sizes of huge pages as cgroup files name them: 2MB, 1GB
// (mem_fmt in mm/hugetlb_cgroup.c).
func hugepageSizes() []string {
	var sizes []string
	for _, name := range fileNames("/sys/kernel/mm/hugepages") {
		kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "hugepages-"), "kB"))
		switch {
		case err != nil:
		case kib >= 1<<20:
			sizes = append(sizes, fmt.Sprintf("%dGB", kib>>20))
		case kib >= 1<<10:
			sizes = append(sizes, fmt.Sprintf("%dMB", kib>>10))
		default:
			sizes = append(sizes, fmt.Sprintf("%dKB", kib))
		}
	}
	return sizes
}

// hugepageKnobs bound what is used, and what is reserved: a mapping beyond that is refused, where a
// bound on use alone would kill the process at its first touch (SIGBUS).
func (l limits) hugepageKnobs(h hierarchies) []knob {
	format := "hugetlb.%s%s.max"
	if h.isV1("hugetlb") {
		format = "hugetlb.%s%s.limit_in_bytes"
	} else if !h.hugetlb {
		return nil
	}
	var ks []knob
	for _, size := range h.hugepages {
		for _, kind := range []string{"", ".rsvd"} {
			ks = append(ks, knob{settingHugepages, "hugetlb", fmt.Sprintf(format, size, kind),
				formatBytes(l.hugepages)})
		}
	}
	return ks
}

// checkHugepages refuses huge pages where nothing could count them, or there are none.
func (l limits) checkHugepages(h hierarchies) error {
	if l.hugepages == 0 || len(l.hugepageKnobs(h)) > 0 {
		return nil
	}
	return inventory.Errorf(inventory.ErrUnavailable,
		"%s can't be kept: the host has set no huge pages aside (vm.nr_hugepages), or the kernel's hugetlb controller is off", settingHugepages)
}

// hasHugepages reports whether the host has set huge pages of any size aside.
func hasHugepages() bool {
	files, _ := filepath.Glob("/sys/kernel/mm/hugepages/*/nr_hugepages")
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.TrimSpace(string(text)) != "0"
	})
}

// enableHugetlb lets the children of the unified hierarchy's root have the controller, if there is
// anything to count. Beside v1 hierarchies nobody else does, and crun in a container refuses to work
// next to it; where all is v2, systemd and liblxc hand it down.
func (h *hierarchies) enableHugetlb() {
	if h.unified == "" || h.isV1("hugetlb") || !slices.Contains(h.controllers, "hugetlb") {
		return
	}
	file := filepath.Join(h.unified, "cgroup.subtree_control")
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	h.hugetlb = slices.Contains(strings.Fields(string(text)), "hugetlb")
	if !h.hugetlb && hasHugepages() {
		h.hugetlb = writeCgroup(file, "+hugetlb") == nil
	}
}
