package lxc

import (
	"slices"

	"lodge/inventory"
)

// The settings this package applies.
const (
	settingCPUs       = "cpus"
	settingCPUWeight  = "cpus.weight"
	settingMemory     = "memory"
	settingSwap       = "swap"
	settingCPUKept    = "cpus.guarantee"
	settingMemoryKept = "memory.guarantee"
	settingProcesses  = "processes"
	settingNoFile     = "kernel.nofile"
	settingMemlock    = "kernel.memlock"
	settingNProc      = "kernel.nproc"
	settingCore       = "kernel.core"
	settingHugepages  = "hugepages"
	settingIORead     = "io.read"
	settingIOWrite    = "io.write"
	settingIOReadOps  = "io.read.operations"
	settingIOWriteOps = "io.write.operations"
	settingIOWeight   = "io.weight"
	settingNesting    = "security.nesting"
	settingPrivileged = "security.privileged"
)

var everyScope = []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject, inventory.ScopeContainer}

// settings is the table. Every limit has a finite default: a container that was given none must
// not be able to take the host down.
var settings = []inventory.Setting{
	{Name: settingCPUs, Scopes: everyScope, Type: inventory.TypeCPUs, Unit: "CPUs", Default: "1",
		Min: "0.1", Max: "8192",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "CPUs it may use; the next whole number is what nproc shows, the fraction is a time quota."},
	{Name: settingCPUWeight, Scopes: everyScope, Type: inventory.TypeInt, Default: "100", Min: "1",
		Max:    "10000",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Share of CPU time against other containers when the host is busy (cgroup v2 cpu.weight)."},
	{Name: settingMemory, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "1GiB", Min: "16MiB",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Memory it may use, page cache included; beyond it the kernel kills processes inside."},
	{Name: settingSwap, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes", Default: "0",
		Min:    "0",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Swap it may use beside its memory; 0 for none."},
	{Name: settingMemoryKept, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "0", Min: "0",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Memory the host keeps for it while it runs: never promised twice, and taken back last when the host runs out (cgroup v2 memory.min; on v1 memory.soft_limit_in_bytes, which is weaker)."},
	{Name: settingCPUKept, Scopes: everyScope, Type: inventory.TypeCPUs, Unit: "CPUs", Default: "0",
		Min: "0", Max: "8192",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "CPUs the host keeps for it while it runs: never promised twice, and each adds 1000 to its cpus.weight."},
	{Name: settingProcesses, Scopes: everyScope, Type: inventory.TypeInt, Default: "4096",
		Min: "16", Max: "4194304",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Processes and threads it may have (cgroup pids.max)."},
	// The default is what Podman and Docker ask for without being told (and the kernel's fs.nr_open): they
	// may not raise the hard limit in a user namespace, and fail.
	{Name: settingNoFile, Scopes: everyScope, Type: inventory.TypeInt, Default: "1048576",
		Min: "1024", Max: "1048576",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Hard limit of open files of one process (setrlimit(2), RLIMIT_NOFILE)."},
	{Name: settingMemlock, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "64MiB", Min: "64KiB",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Memory one user may lock (setrlimit(2), RLIMIT_MEMLOCK)."},
	{Name: settingNProc, Scopes: everyScope, Type: inventory.TypeInt, Default: "0", Min: "0",
		Max:    "4194304",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Processes and threads one user inside may have (setrlimit(2), RLIMIT_NPROC); 0 for no limit but that of all (processes)."},
	{Name: settingCore, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "0", Min: "0",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Size a core dump has unless the program asks for another (setrlimit(2), RLIMIT_CORE, the soft limit)."},
	{Name: settingHugepages, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "0", Min: "0",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Memory it may have in huge pages of each size, beside its memory; 0 for none."},
	{Name: settingNesting, Scopes: everyScope, Type: inventory.TypeBool, Default: "false",
		Effect: inventory.EffectRestart, Risk: inventory.RiskMedium,
		Doc: "Let containers (Podman, Docker, LXC) run inside; opens more of the kernel to its root."},
	{Name: settingPrivileged, Scopes: []inventory.Scope{inventory.ScopeContainer},
		Type: inventory.TypeBool, Default: "false",
		Effect: inventory.EffectRestart, Risk: inventory.RiskHigh,
		Doc: "Run without a user namespace: root inside is root of the host, held back by capabilities and LSM only."},
}

// ioSettings are about the disks below the container's root file system. Limits hold on each of
// them alone (cgroup-v2.rst, io.max).
var ioSettings = []inventory.Setting{
	{Name: settingIORead, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes per second",
		Default: "0", Min: "0",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Bytes it may read from the pool's disk in a second; 0 for no limit. What is in the page cache is not read."},
	{Name: settingIOWrite, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes per second",
		Default: "0", Min: "0",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Bytes it may write to the pool's disk in a second; 0 for no limit. On cgroup v1 only direct writes (O_DIRECT) count: what goes through the page cache is written by the kernel on nobody's account."},
	{Name: settingIOReadOps, Scopes: everyScope, Type: inventory.TypeInt, Unit: "operations per second",
		Default: "0", Min: "0", Max: "4294967295",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Read requests it may make to the pool's disk in a second; 0 for no limit."},
	{Name: settingIOWriteOps, Scopes: everyScope, Type: inventory.TypeInt, Unit: "operations per second",
		Default: "0", Min: "0", Max: "4294967295",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Write requests it may make to the pool's disk in a second; 0 for no limit. On cgroup v1 as io.write."},
	{Name: settingIOWeight, Scopes: everyScope, Type: inventory.TypeInt, Default: "100", Min: "1",
		Max:    "1000",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Share of a busy disk against other containers. It takes a disk with the bfq scheduler, or io.cost on cgroup v2."},
}

// Settings returns the rows of the settings this package applies.
func (r *Runtime) Settings() []inventory.Setting { return Settings() }

// Settings returns the rows of the settings this package applies.
func Settings() []inventory.Setting { return slices.Concat(settings, ioSettings) }

// Mapped returns the names of the settings that reach the configuration of liblxc.
func Mapped() []string {
	return []string{settingCPUs, settingCPUWeight, settingMemory, settingSwap, settingMemoryKept,
		settingCPUKept, settingProcesses, settingNoFile, settingMemlock, settingNProc, settingCore, settingHugepages, settingIORead,
		settingIOWrite, settingIOReadOps, settingIOWriteOps, settingIOWeight, settingNesting,
		settingPrivileged}
}
