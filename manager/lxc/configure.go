package lxc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"lodge/inventory"
)

// Configure makes the configuration that of the next start. It checks every setting of this package
// against the table. It may be called for a container that runs, which is not changed by it. A file
// that is right already is left alone: reading it is cheaper than a new inode.
func (r *Runtime) Configure(_ context.Context, b inventory.Boot) error {
	c := b.Container
	text, err := r.render(b)
	if err != nil {
		return r.failed("configure", c, err)
	}
	if err := errors.Join(makePrivate(r.dir(c)),
		writeIfNew(r.seccompFile(), seccompProfile()),
		writeIfNew(filepath.Join(r.dir(c), "config"), text)); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "configure %s: %v", c.Name, err)
	}
	if err := r.writeDevices(b); err != nil {
		return r.failed("configure", c, err)
	}
	return nil
}

func (r *Runtime) render(b inventory.Boot) ([]byte, error) {
	limits, err := readLimits(b.Settings)
	if err != nil {
		return nil, err
	}
	h, err := r.readHost()
	if err != nil {
		return nil, err
	}
	if err := h.check(limits); err != nil {
		return nil, err
	}
	init, err := findInit(b.Rootfs)
	if err != nil {
		return nil, err
	}
	hook, err := r.hookCommand(b.Container.ID)
	if err != nil {
		return nil, err
	}
	at, err := r.place(b, limits, h)
	if err != nil {
		return nil, err
	}
	return setup{
		boot: b, limits: limits, init: init, host: h, hook: hook, dir: r.dir(b.Container),
		seccomp: r.seccompFile(),
		root:    r.rootTarget(b.Container.ID), at: at,
	}.render()
}

// check refuses limits this host can't hold true.
func (h host) check(l limits) error {
	if n := l.wholeCPUs(); n > len(h.cpus) {
		return inventory.Errorf(inventory.ErrInvalid,
			"this host has %d CPUs, not %d; set cpus to %d or less", len(h.cpus), n, len(h.cpus))
	}
	for _, controller := range []string{"cpuset", "cpu", "memory", "pids"} {
		if !h.cgroups.has(controller) {
			return inventory.Errorf(inventory.ErrUnavailable,
				"the kernel's %s controller is off, so the limit could not be kept; boot with cgroup_enable=%s", controller, controller)
		}
	}
	return errors.Join(l.checkHugepages(h.cgroups), l.io.check(h.cgroups), l.checkGuarantees())
}

// checkGuarantees refuses to keep more than may be used.
func (l limits) checkGuarantees() error {
	switch {
	case l.memoryKept > l.memory:
		return inventory.Errorf(inventory.ErrInvalid, "%s can't be %s, more than memory (%s)",
			settingMemoryKept, l.memoryKept, l.memory)
	case l.cpusKept > l.cpus:
		return inventory.Errorf(inventory.ErrInvalid, "%s can't be %g, more than cpus (%g)",
			settingCPUKept, l.cpusKept, l.cpus)
	}
	return nil
}

// place gives the container its CPUs and finds its disks, which only limits of theirs need.
func (r *Runtime) place(b inventory.Boot, l limits, h host) (at place, err error) {
	if l.io.isThrottled() {
		at.disks, err = disksOf(b.Rootfs)
	}
	at.cpus = r.assignCPUs(b.Container.ID, h.cpus, l.wholeCPUs())
	return at, err
}

// assignCPUs chooses n CPUs for the container, those it has first, else those the fewest others
// were given.
func (r *Runtime) assignCPUs(id inventory.ContainerID, host []int, n int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	used := map[int]int{}
	for other, cpus := range r.cpus {
		if other == id {
			continue
		}
		for _, cpu := range cpus {
			used[cpu]++
		}
	}
	r.cpus[id] = chooseCPUs(host, used, r.cpus[id], n)
	return r.cpus[id]
}

// makePrivate makes a folder only root can enter.
func makePrivate(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return os.Chmod(dir, 0o700)
	}
	return err
}

func writeIfNew(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return writeFile(path, content)
}

// failed wraps an error in what could not be done; one without a kind becomes unavailable, as it
// came from the host.
func (r *Runtime) failed(verb string, c *inventory.Container, err error) error {
	kind := inventory.ErrUnavailable
	if k, ok := inventory.Kind(err); ok {
		kind = k.Err
	}
	return inventory.Errorf(kind, "%s %s: %v", verb, c.Name, err)
}
