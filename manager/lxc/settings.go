package lxc

import "lodge/inventory"

// The settings this package applies.
const (
	settingCPUs       = "cpus"
	settingCPUWeight  = "cpus.weight"
	settingMemory     = "memory"
	settingSwap       = "swap"
	settingProcesses  = "processes"
	settingNoFile     = "kernel.nofile"
	settingMemlock    = "kernel.memlock"
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
	{Name: settingProcesses, Scopes: everyScope, Type: inventory.TypeInt, Default: "4096",
		Min: "16", Max: "4194304",
		Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Doc: "Processes and threads it may have (cgroup pids.max)."},
	{Name: settingNoFile, Scopes: everyScope, Type: inventory.TypeInt, Default: "524288",
		Min: "1024", Max: "1048576",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Hard limit of open files of one process (setrlimit(2), RLIMIT_NOFILE)."},
	{Name: settingMemlock, Scopes: everyScope, Type: inventory.TypeBytes, Unit: "bytes",
		Default: "64MiB", Min: "64KiB",
		Effect: inventory.EffectRestart, Risk: inventory.RiskLow,
		Doc: "Memory one user may lock (setrlimit(2), RLIMIT_MEMLOCK)."},
	{Name: settingNesting, Scopes: everyScope, Type: inventory.TypeBool, Default: "false",
		Effect: inventory.EffectRestart, Risk: inventory.RiskMedium,
		Doc: "Let containers (Podman, Docker, LXC) run inside; opens more of the kernel to its root."},
	{Name: settingPrivileged, Scopes: []inventory.Scope{inventory.ScopeContainer},
		Type: inventory.TypeBool, Default: "false",
		Effect: inventory.EffectRestart, Risk: inventory.RiskHigh,
		Doc: "Run without a user namespace: root inside is root of the host, held back by capabilities and LSM only."},
}

// Settings returns the rows of the settings this package applies.
func (r *Runtime) Settings() []inventory.Setting { return Settings() }

// Settings returns the rows of the settings this package applies.
func Settings() []inventory.Setting { return append([]inventory.Setting(nil), settings...) }

// Mapped returns the names of the settings that reach the configuration of liblxc.
func Mapped() []string {
	return []string{settingCPUs, settingCPUWeight, settingMemory, settingSwap, settingProcesses,
		settingNoFile, settingMemlock, settingNesting, settingPrivileged}
}
