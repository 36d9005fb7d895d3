package wire

import (
	"net/netip"
	"time"

	"lodge/inventory"
)

// A Host is the machine the agent runs on.
type Host struct {
	ID           inventory.HostID `json:"id"`
	Name         string           `json:"name"`
	MachineID    string           `json:"machine_id,omitempty"`
	CreatedAt    time.Time        `json:"created_at"`
	Kernel       string           `json:"kernel,omitempty"`
	Architecture string           `json:"architecture,omitempty"`
	CPUs         int              `json:"cpus,omitempty"`
	MemoryBytes  int64            `json:"memory_bytes,omitempty"`
	Containers   int              `json:"containers" doc:"Not counting the trash."`
	Running      int              `json:"running"`
	Root         string           `json:"root,omitempty" doc:"Where the agent keeps everything."`
	LXC          string           `json:"lxc,omitempty" doc:"Version of liblxc."`
	Cgroup       string           `json:"cgroup,omitempty" doc:"v1, hybrid or v2."`
	Capacity     []Capacity       `json:"capacity,omitempty" doc:"What it has, has promised, and can still give."`
	SSH          *SSHDoor         `json:"ssh,omitempty" doc:"Where plain ssh reaches containers; absent while nobody is let in."`
	// Facts holds what else the agent found out about the host.
	Facts map[string]string `json:"facts,omitempty"`
}

// An SSHDoor is where ssh connects to reach containers.
type SSHDoor struct {
	Address  string   `json:"address" example:"127.0.0.1:2222"`
	HostKeys []string `json:"host_keys" doc:"As a known_hosts file has them, without the host."`
}

// A Capacity is what the host has of a resource and what it has promised of it: CPUs, or bytes.
type Capacity struct {
	Resource   string   `json:"resource" doc:"cpus, memory or disk."`
	Pool       string   `json:"pool,omitempty" doc:"Of disk, which each pool that works has for itself."`
	Total      float64  `json:"total"`
	Reserved   float64  `json:"reserved,omitempty" doc:"Of that, what the host keeps for itself, by host.reserve."`
	Given      float64  `json:"given" doc:"The sizes of all containers together; of a pool, of what lies on it, volumes too."`
	Ratio      float64  `json:"ratio" doc:"Given by what there is for containers: 1.5 is half of it given twice."`
	Guaranteed float64  `json:"guaranteed" doc:"Kept for the containers that are to run."`
	InUse      *float64 `json:"in_use,omitempty"`
	Most       float64  `json:"most,omitempty" doc:"What may be given, by host.overcommit; absent: no bound."`
	Left       *float64 `json:"left,omitempty" doc:"What can still be given; absent: no bound."`
	Keepable   float64  `json:"keepable" doc:"What can still be guaranteed."`
}

// An Address is one row of the address plan's history: who had it from when to when.
type Address struct {
	Network   string                `json:"network"`
	IP        string                `json:"ip"`
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Project   string                `json:"project"`
	From      time.Time             `json:"from"`
	To        time.Time             `json:"to,omitzero" doc:"Absent while it is held."`
}

// A Pool is where root file systems live.
type Pool struct {
	Name    string `json:"name"`
	Driver  string `json:"driver" doc:"btrfs or dir."`
	Source  string `json:"source,omitempty" doc:"The folder it was given."`
	Path    string `json:"path,omitempty"`
	Default bool   `json:"default" doc:"Whether new containers come here."`
	State   string `json:"state" doc:"ready, or lost: what it lies on is gone."`

	SizeBytes         int64 `json:"size_bytes"`
	UsedBytes         int64 `json:"used_bytes" doc:"What snapshots hold included."`
	FreeBytes         int64 `json:"free_bytes"`
	HostFreeBytes     int64 `json:"host_free_bytes,omitempty" doc:"Room of the file system the pool's file lies on."`
	MetadataFreeBytes int64 `json:"metadata_free_bytes,omitempty"`
	UnallocatedBytes  int64 `json:"unallocated_bytes,omitempty" doc:"Set aside neither for file contents nor for bookkeeping, on btrfs."`
	DeviceErrors      int64 `json:"device_errors,omitempty" doc:"Reads and writes of its devices that failed, or were corrupt, since they were last reset."`

	SizesEnforced    bool `json:"sizes_enforced" doc:"Whether sizes are bounds."`
	SizesOnRequest   bool `json:"sizes_on_request,omitempty" doc:"Only sizes that were asked for are bounds."`
	SnapshotsCounted bool `json:"snapshots_counted" doc:"Whether what only snapshots hold counts for the container."`

	Containers int `json:"containers" doc:"The trash included."`
	Images     int `json:"images"`
	Snapshots  int `json:"snapshots"`

	CreatedAt   time.Time `json:"created_at,omitzero"`
	ScrubbedAt  time.Time `json:"scrubbed_at,omitzero" doc:"When everything was last compared with its checksums."`
	ScrubErrors int64     `json:"scrub_errors,omitempty"`
	Warnings    []string  `json:"warnings,omitempty" doc:"What needs attention, most urgent first."`
}

// FromPool writes a pool's row; what it holds is added by who can measure it.
func FromPool(p inventory.Pool) Pool {
	w := Pool{Name: p.Name, Driver: p.Driver, Source: p.Source, Default: p.Default,
		CreatedAt: p.CreatedAt.UTC(), ScrubbedAt: utc(p.ScrubbedAt), ScrubErrors: p.ScrubErrors}
	if p.ScrubErrors > 0 {
		w.Warnings = []string{"the last scrub found errors it could not repair; the kernel's log names the files"}
	}
	return w
}

// A Value is one setting in force, with where it came from.
type Value struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
	Origin  string `json:"origin" doc:"container, project NAME, host or default."`
}

// A Setting is one row of the settings table; Value and Origin are what holds on the host.
type Setting struct {
	Name    string                `json:"name"`
	Scopes  []inventory.Scope     `json:"scopes" nullable:"false"`
	Type    inventory.SettingType `json:"type"`
	Unit    string                `json:"unit,omitempty"`
	Default string                `json:"default,omitempty"`
	Values  []string              `json:"values,omitempty"`
	Min     string                `json:"min,omitempty"`
	Max     string                `json:"max,omitempty"`
	Effect  inventory.Effect      `json:"effect,omitempty" doc:"What it takes: live, restart or replace."`
	Risk    inventory.Risk        `json:"risk,omitempty"`
	Doc     string                `json:"doc"`
	Value   string                `json:"value,omitempty" doc:"In force on the host."`
	Origin  string                `json:"origin" doc:"host or default."`
}

// Version says what answers.
type Version struct {
	Version string `json:"version"`
	API     string `json:"api" doc:"Version of the API: v1."`
	Go      string `json:"go,omitempty"`
}

// FromAddress writes a row of the address plan.
func FromAddress(a inventory.Address) Address {
	return Address{Network: a.Network, IP: text(a.IP), Container: a.Container, Name: a.Name,
		Project: a.Project,
		From:    a.From.UTC(), To: utc(a.To)}
}

// FromValues writes settings in force.
func FromValues(values []inventory.Value) []Value {
	out := make([]Value, len(values))
	for i, v := range values {
		out[i] = Value(v)
	}
	return out
}

// FromSetting writes a row of the settings table with the value set on the host, if any.
func FromSetting(s inventory.Setting, value string, set bool) Setting {
	w := Setting{Name: s.Name, Scopes: list(s.Scopes), Type: s.Type, Unit: s.Unit, Default: s.Default,
		Values: s.Values, Min: s.Min, Max: s.Max, Effect: s.Effect, Risk: s.Risk, Doc: s.Doc,
		Value: s.Default, Origin: "default"}
	if set {
		w.Value, w.Origin = value, "host"
	}
	return w
}

func prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
