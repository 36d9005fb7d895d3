package lxc

import (
	"math"
	"slices"
	"strconv"

	"lodge/inventory"
)

// limits are the settings of one container as numbers.
type limits struct {
	cpus       float64
	weight     int
	cpusKept   float64
	memory     inventory.Bytes
	memoryKept inventory.Bytes
	swap       inventory.Bytes
	processes  int
	nofile     int
	memlock    inventory.Bytes
	nproc      int
	core       inventory.Bytes
	hugepages  inventory.Bytes
	io         ioLimits
	nesting    bool
	privileged bool
}

// readLimits checks the settings of this package among values; a missing one has its default.
// Those of other packages are left alone.
func readLimits(values map[string]string) (limits, error) {
	v := map[string]string{}
	for _, s := range Settings() {
		value, ok := values[s.Name]
		if !ok {
			value = s.Default
		}
		checked, err := s.Check(value)
		if err != nil {
			return limits{}, err
		}
		v[s.Name] = checked
	}
	// The values passed the table, so what parses them here can't fail.
	number := func(name string) float64 { f, _ := strconv.ParseFloat(v[name], 64); return f }
	size := func(name string) inventory.Bytes { b, _ := inventory.ParseBytes(v[name]); return b }
	return limits{
		cpus: number(settingCPUs), weight: int(number(settingCPUWeight)),
		cpusKept: number(settingCPUKept), memoryKept: exact(values, settingMemoryKept, size),
		memory: exact(values, settingMemory, size), swap: exact(values, settingSwap, size),
		processes: int(number(settingProcesses)),
		nofile:    int(number(settingNoFile)), memlock: exact(values, settingMemlock, size),
		nproc: int(number(settingNProc)), core: exact(values, settingCore, size),
		hugepages: exact(values, settingHugepages, size),
		io: ioLimits{readBytes: int64(exact(values, settingIORead, size)),
			writeBytes: int64(exact(values, settingIOWrite, size)),
			readOps:    int64(number(settingIOReadOps)), writeOps: int64(number(settingIOWriteOps)),
			weight: int(number(settingIOWeight))},
		nesting: v[settingNesting] == "true", privileged: v[settingPrivileged] == "true",
	}, nil
}

// exact prefers what was asked for to its canonical form, which is rounded to a tenth of a unit.
func exact(values map[string]string, name string, fallback func(string) inventory.Bytes) inventory.Bytes {
	if b, err := inventory.ParseBytes(values[name]); err == nil {
		return b
	}
	return fallback(name)
}

// wholeCPUs is the number of CPUs the container sees.
func (l limits) wholeCPUs() int { return int(math.Ceil(l.cpus)) }

// cfsPeriod is the kernel's default scheduling period in microseconds (sched-bwc).
const cfsPeriod = 100000

// quota is the CPU time per period in microseconds, 0 when whole CPUs are the limit already.
func (l limits) quota() int {
	if l.cpus == math.Trunc(l.cpus) {
		return 0
	}
	return int(l.cpus * cfsPeriod)
}

// share is the weight with what a guarantee adds to it: ten times the default for each whole CPU.
// 10000 is the kernel's most (cgroup-v2.rst, cpu.weight).
func (l limits) share() int { return min(10000, l.weight+int(l.cpusKept*1000)) }

// A knob is one cgroup file and what it is to hold. The order of knobs is that in which they can
// be written when limits grow.
type knob struct {
	setting    string
	controller string
	file       string
	value      string
}

// A place is what of this host one container was given.
type place struct {
	cpus  []int
	disks []string // below its root file system, as "major:minor"
}

// knobs lists the cgroup files that hold the limits on this host: for each controller in the
// words of the hierarchy it is on.
func (l limits) knobs(h hierarchies, at place) []knob {
	ks := []knob{
		{settingCPUs, "cpuset", "cpuset.cpus", formatCPUs(at.cpus)},
		{settingProcesses, "pids", "pids.max", strconv.Itoa(l.processes)},
	}
	if h.isV1("cpu") {
		// The kernel reads weights as shares of 1024; two is its least (sched-design-CFS).
		shares := max(2, l.share()*1024/100)
		ks = append(ks,
			knob{settingCPUs, "cpu", "cpu.cfs_quota_us", v1Quota(l.quota())},
			knob{settingCPUWeight, "cpu", "cpu.shares", strconv.Itoa(shares)})
	} else {
		ks = append(ks,
			knob{settingCPUs, "cpu", "cpu.max", v2Quota(l.quota())},
			knob{settingCPUWeight, "cpu", "cpu.weight", strconv.Itoa(l.share())})
	}
	return slices.Concat(ks, l.memoryKnobs(h), l.hugepageKnobs(h), l.io.knobs(h, at.disks))
}

// memoryKnobs sets no memory.high: a container over it is slowed to a crawl in reclaim, where the
// limit proper ends one process and lets the rest go on.
func (l limits) memoryKnobs(h hierarchies) []knob {
	memory, swap := formatBytes(l.memory), formatBytes(l.swap)
	if !h.isV1("memory") {
		return []knob{{settingMemory, "memory", "memory.max", memory},
			{settingSwap, "memory", "memory.swap.max", swap},
			{settingMemoryKept, "memory", "memory.min", formatBytes(l.memoryKept)}}
	}
	// Without a soft limit of its own a container would be taken from last of all, so each has one.
	ks := []knob{{settingMemory, "memory", "memory.limit_in_bytes", memory},
		{settingMemoryKept, "memory", "memory.soft_limit_in_bytes", formatBytes(l.memoryKept)}}
	if h.swapAccounting {
		// v1 limits the sum of memory and swap, so either setting changes it.
		ks = append(ks, knob{settingSwap, "memory", "memory.memsw.limit_in_bytes",
			formatBytes(l.memory + l.swap)})
	}
	return ks
}

func v1Quota(us int) string {
	if us == 0 {
		return "-1"
	}
	return strconv.Itoa(us)
}

func v2Quota(us int) string {
	if us == 0 {
		return "max " + strconv.Itoa(cfsPeriod)
	}
	return strconv.Itoa(us) + " " + strconv.Itoa(cfsPeriod)
}

// formatBytes writes an amount as cgroup files want it.
func formatBytes(b inventory.Bytes) string { return strconv.FormatInt(int64(b), 10) }
