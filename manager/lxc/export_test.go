package lxc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
)

// What the tests of the pure parts need to reach.
var (
	ChooseCPUs     = chooseCPUs
	ParseCPUs      = parseCPUs
	FormatCPUs     = formatCPUs
	ParseReason    = parseReason
	SeccompProfile = seccompProfile
	Sweep          = sweepOnce
	Takes          = takes
	RemoveFolder   = removeFolder
	DisksOf        = disksOf
)

const RemoveTries = removeTries

// FindInit returns the init of a rootfs and its halt signal.
func FindInit(rootfs string) (string, int, error) {
	p, err := findInit(rootfs)
	return p.path, p.halt, err
}

// A FakeHost is a machine made of files below Dir: "hybrid" has the controllers on v1, "v2" on the
// unified hierarchy.
type FakeHost struct {
	Dir string
	h   hierarchies
}

// NewFakeHost makes the cgroup mounts of a kind of host.
func NewFakeHost(dir, kind string) FakeHost {
	var info strings.Builder
	add := func(point, fstype, options string) {
		path := filepath.Join(dir, point)
		os.MkdirAll(path, 0o755)
		info.WriteString("30 29 0:26 / " + path + " rw,nosuid shared:9 - " + fstype + " " + fstype + " rw," + options + "\n")
	}
	if kind == "v2" {
		add("cgroup", "cgroup2", "nsdelegate")
		os.WriteFile(filepath.Join(dir, "cgroup/io.cost.qos"), nil, 0o644)
		os.WriteFile(filepath.Join(dir, "cgroup/cgroup.controllers"), []byte("cpuset cpu io memory hugetlb pids\n"), 0o644)
	} else {
		for _, c := range []string{"cpu,cpuacct", "cpuset", "memory", "freezer", "pids", "devices", "blkio"} {
			add("cgroup/"+c, "cgroup", c)
		}
		add("cgroup/systemd", "cgroup", "xattr,name=systemd")
		add("cgroup/unified", "cgroup2", "nsdelegate")
		os.WriteFile(filepath.Join(dir, "cgroup/blkio/blkio.bfq.io_service_bytes"), nil, 0o644)
		os.WriteFile(filepath.Join(dir, "cgroup/unified/cgroup.controllers"), []byte("hugetlb\n"), 0o644)
		os.WriteFile(filepath.Join(dir, "cgroup/memory/memory.memsw.limit_in_bytes"), nil, 0o644)
	}
	h := readHierarchies(info.String())
	h.hugepages, h.hugetlb = []string{"2MB"}, true
	return FakeHost{dir, h}
}

// PureV2 reports whether the host was judged to have cgroup v2 only.
func (f FakeHost) PureV2() bool { return f.h.isPureV2() }

// Roots are the mount points of all hierarchies, relative to Dir.
func (f FakeHost) Roots() []string {
	var names []string
	for _, r := range f.h.roots() {
		name, _ := filepath.Rel(f.Dir, r)
		names = append(names, name)
	}
	return names
}

// Bases are the directories, relative to Dir, below which liblxc makes cgroups besides the roots.
func (f FakeHost) Bases(text string) (names []string) {
	for _, b := range f.h.bases(text) {
		name, _ := filepath.Rel(f.Dir, b)
		names = append(names, name)
	}
	return names
}

// A FakePayload is the cgroup of a container on a fake host.
type FakePayload struct{ payload }

// Payload reads a /proc/PID/cgroup text.
func (f FakeHost) Payload(text string) FakePayload {
	return FakePayload{parsePayload(f.h, text, payloadPrefix)}
}

// File is the path of a cgroup file of the payload.
func (p FakePayload) File(controller, name string) string {
	return filepath.Join(p.dir(controller), name)
}

func (p FakePayload) Memory() inventory.Bytes { return p.memory() }
func (p FakePayload) CPUSeconds() float64     { return p.cpuTime().Seconds() }
func (p FakePayload) Processes() int          { return p.processes() }
func (p FakePayload) Frozen() inventory.State { return p.frozen() }
func (p FakePayload) SetFrozen(ctx context.Context, freeze bool) error {
	return p.setFrozen(ctx, freeze)
}

// Turn writes every limit of the settings to the payload.
func (p FakePayload) Turn(values map[string]string, cpus []int) error {
	l, err := readLimits(values)
	if err != nil {
		return err
	}
	for _, k := range l.knobs(p.layout, place{cpus: cpus, disks: []string{"7:3"}}) {
		if err := p.turn(k, l); err != nil {
			return err
		}
	}
	return nil
}

// Render writes the configuration of a container on the fake host with these CPUs.
func (f FakeHost) Render(boot inventory.Boot, apparmor bool) (string, error) {
	l, err := readLimits(boot.Settings)
	if err != nil {
		return "", err
	}
	h := host{cgroups: f.h, cpus: []int{0, 1, 2, 3}, apparmor: apparmor, raisesLimits: true,
		lxcfs: []bind{{"/var/lib/lxcfs/proc/meminfo", "proc/meminfo"}}}
	if err := h.check(l); err != nil {
		return "", err
	}
	text, err := setup{boot: boot, limits: l, init: initProgram{"/sbin/init", 37}, host: h,
		root: "/lodge/roots/x/root", seccomp: "/lodge/run/seccomp", dir: "/lodge/containers/" + boot.Container.LXCName(), hook: "/usr/lib/lodge/lodge-hook /lodge/run " + string(boot.Container.ID),
		at: place{chooseCPUs(h.cpus, nil, nil, l.wholeCPUs()), []string{"7:3", "8:0"}}}.render()
	return string(text), err
}

// FindHardware lists the nodes of a gpu or usb device on a machine whose sysfs lies elsewhere.
func FindHardware(dir string, d inventory.Device) (out []string, err error) {
	was := sysfs
	sysfs = dir
	defer func() { sysfs = was }()
	find := map[string]func(inventory.Device) ([]node, error){"gpu": findGPU, "usb": findUSB}[d.Type]
	nodes, err := find(d)
	for _, n := range nodes {
		out = append(out, fmt.Sprintf("%s=%d:%d", n.path, n.major, n.minor))
	}
	return out, err
}
