package lxc

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Apply makes the changed settings of a running container hold at once, as far as they can
// (EffectLive), and writes its configuration for the next start. For one that does not run it only
// writes. When a limit can't be held, nothing is written and the error says why; limits set before
// that one stay set, so apply the old ones again to go back.
func (r *Runtime) Apply(ctx context.Context, b inventory.Boot, changed []string) error {
	c := b.Container
	run, state := r.look(c)
	if !state.IsLive() {
		return r.Configure(ctx, b)
	}
	limits, err := readLimits(b.Settings)
	if err != nil {
		return r.failed("change", c, err)
	}
	h, err := r.readHost()
	if err == nil {
		err = h.check(limits)
	}
	if err != nil {
		return r.failed("change", c, err)
	}
	at, err := r.place(b, limits, h)
	if err == nil && len(at.disks) == 0 && slices.ContainsFunc(changed, isThrottle) {
		at.disks, err = disksOf(b.Rootfs) // what was limited is so no more
	}
	if err != nil {
		return r.failed("change", c, err)
	}
	if err := keepMemory(h.cgroups, limits); err != nil {
		return r.failed("change", c, err)
	}
	for _, k := range limits.knobs(h.cgroups, at) {
		if !concerns(k, changed) {
			continue
		}
		if err := run.payload.turn(k, limits); err != nil {
			return r.failed("change", c, err)
		}
	}
	return r.Configure(ctx, b)
}

// applyUnified sets what liblxc leaves out: beside v1 hierarchies it ignores limits of the unified one
// (cgfsng_setup_limits in cgfsng.c), and the folder above a container's cgroup is ours, whose own
// memory.min bounds what its children keep (cgroup-v2.rst).
func (r *Runtime) applyUnified(c *run, b inventory.Boot) error {
	limits, err := readLimits(b.Settings)
	if err != nil {
		return err
	}
	h := r.layout()
	if h.isPureV2() {
		return keepMemory(h, limits)
	}
	h.hugepages = hugepageSizes()
	h.enableHugetlb()
	for _, k := range limits.hugepageKnobs(h) {
		if !h.isV1(k.controller) {
			err = errors.Join(err, c.payload.write(k.controller, k.file, k.value))
		}
	}
	return err
}

// keepMemory lets the containers' guarantees through the folder above them.
func keepMemory(h hierarchies, l limits) error {
	if l.memoryKept == 0 || !h.isPureV2() {
		return nil
	}
	return writeCgroup(filepath.Join(h.unified, cgroupParent, "memory.min"), "max")
}

// concerns reports whether a change of those settings reaches the knob. The v1 limit of memory and
// swap together follows either, the CPU weight a guarantee too, and one line of v2 holds four limits
// of I/O.
func concerns(k knob, changed []string) bool {
	other := map[string]string{settingSwap: settingMemory, settingCPUWeight: settingCPUKept}[k.setting]
	return slices.Contains(changed, k.setting) || slices.Contains(changed, other) ||
		k.file == "io.max" && slices.ContainsFunc(changed, isThrottle)
}

// turn sets one limit of a running container.
func (p payload) turn(k knob, l limits) error {
	switch k.file {
	case "cpuset.cpus":
		return p.moveCPUs(k.value)
	case "memory.max":
		if used := p.memory(); used > l.memory {
			// The kernel would take it and kill processes until it is true.
			return inventory.Errorf(inventory.ErrState, "memory can't be %s while %s are in use",
				l.memory, used)
		}
	case "memory.limit_in_bytes":
		return p.limitMemory(l)
	}
	err := p.write(k.controller, k.file, k.value)
	if errors.Is(err, unix.ENOENT) && k.file == "memory.swap.max" && l.swap == 0 {
		return nil // a kernel without swap
	}
	return err
}

// limitMemory sets the v1 limit. It must never be above that of memory and swap together, so when
// it grows that one has to go first.
func (p payload) limitMemory(l limits) error {
	value := formatBytes(l.memory)
	err := p.write("memory", "memory.limit_in_bytes", value)
	if errors.Is(err, unix.EINVAL) && p.layout.swapAccounting {
		if err := p.write("memory", "memory.memsw.limit_in_bytes",
			formatBytes(l.memory+l.swap)); err != nil {
			return err
		}
		err = p.write("memory", "memory.limit_in_bytes", value)
	}
	if errors.Is(err, unix.EBUSY) {
		return inventory.Errorf(inventory.ErrState, "memory can't be %s while %s are in use",
			l.memory, p.memory())
	}
	return err
}

// moveCPUs changes the CPUs of the container's cgroup and of those below it. On v1 a child's CPUs
// have to be among its parent's all the time, and don't follow them (cgroup-v1/cpusets.rst): so the
// parent gets old and new ones first, then the children change, then the parent is done.
func (p payload) moveCPUs(list string) error {
	if !p.layout.isV1("cpuset") {
		return p.write("cpuset", "cpuset.cpus", list)
	}
	old, err := p.read("cpuset", "cpuset.cpus")
	if err != nil {
		return err
	}
	wanted := parseCPUs(list)
	both := append(parseCPUs(old), wanted...)
	slices.Sort(both)
	both = slices.Compact(both)
	if err := p.write("cpuset", "cpuset.cpus", formatCPUs(both)); err != nil {
		return err
	}
	tree, err := cgroupTree(p.dir("cpuset"))
	if err != nil {
		return err
	}
	for _, dir := range tree[1:] {
		err = errors.Join(err, writeCgroup(filepath.Join(dir, "cpuset.cpus"), formatCPUs(both)))
	}
	for i := len(tree) - 1; i >= 0; i-- {
		err = errors.Join(err, writeCgroup(filepath.Join(tree[i], "cpuset.cpus"), list))
	}
	return err
}
