package wire

import (
	"net/netip"
	"time"

	"lodge/inventory"
)

// A Container is one container: as desired at the top level, as measured under Observed.
type Container struct {
	ID          inventory.ContainerID `json:"id"`
	HostID      inventory.HostID      `json:"host_id"`
	Name        string                `json:"name"`
	Project     string                `json:"project"`
	Owner       string                `json:"owner"`
	Orphaned    bool                  `json:"orphaned,omitempty" doc:"Its owner is disabled: somebody has to take it over."`
	Purpose     string                `json:"purpose"`
	Environment inventory.Environment `json:"environment,omitempty"`
	DataClass   string                `json:"data_class,omitempty"`
	Labels      map[string]string     `json:"labels,omitempty"`
	Ticket      string                `json:"ticket,omitempty"`

	Image       string `json:"image" doc:"The alias it was made from, as asked for."`
	ImageDigest string `json:"image_digest"`
	Pool        string `json:"pool"`

	// State repeats Observed.State, since it is what most callers want of a container.
	State    inventory.State  `json:"state" doc:"As measured; the same as observed.state."`
	Intent   inventory.Intent `json:"intent" doc:"What was asked for last: run or stop."`
	Observed Observed         `json:"observed"`

	Settings map[string]string `json:"settings,omitempty" doc:"What was set on this container; see effective."`
	// Effective holds every setting in force with its origin. Lists leave it out.
	Effective []Value            `json:"effective,omitempty" doc:"Every setting in force, with its origin; not in lists."`
	Limits    Limits             `json:"limits"`
	NICs      []NIC              `json:"nics" nullable:"false"`
	Devices   []inventory.Device `json:"devices,omitempty" doc:"What it has beside its root file system and network, by name."`
	After     []string           `json:"after,omitempty" doc:"Containers that have to be up before it starts: NAME, or NAME:port=5432."`
	IDBase    uint32             `json:"id_base" doc:"First of the 65536 host ids of its user namespace."`

	Revision  int64     `json:"revision" doc:"Grows by one with every change; what If-Match compares."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Until when its lease keeps it; then it goes to the trash."`
	RunUntil  time.Time `json:"run_until,omitzero" doc:"Until when its lease lets it run; then it is stopped."`
	TrashedAt time.Time `json:"trashed_at,omitzero" doc:"Set while it lies in the trash."`
}

// A NIC is one network interface of a container.
type NIC struct {
	Network string `json:"network" doc:"Empty for a plain pair."`
	Name    string `json:"name" doc:"Inside the container."`
	Host    string `json:"host" doc:"The host's end of the pair; on a macvlan network there is none."`
	MAC     string `json:"mac"`
	IPv4    string `json:"ipv4,omitempty"`
	IPv6    string `json:"ipv6,omitempty"`
	Device  string `json:"device,omitempty" doc:"The device that gives it; absent for the first one."`
	Pinned  bool   `json:"pinned,omitempty" doc:"The address was asked for, not picked."`
}

// Observed is what the kernel showed when the answer was made.
type Observed struct {
	State       inventory.State  `json:"state"`
	InitPID     int              `json:"init_pid,omitempty" doc:"On the host."`
	StartedAt   time.Time        `json:"started_at,omitzero"`
	MemoryBytes int64            `json:"memory_bytes" doc:"In use, without page cache that can be dropped."`
	CPUSeconds  float64          `json:"cpu_seconds" doc:"Used since it was started."`
	Processes   int              `json:"processes"`
	DiskBytes   int64            `json:"disk_bytes" doc:"In use on the pool by this container alone."`
	Unbounded   bool             `json:"unbounded,omitempty" doc:"Its pool doesn't hold it to the size of its disk."`
	Reason      string           `json:"reason,omitempty" doc:"Why the state is error, or why the last run ended."`
	Restarts    int              `json:"restarts,omitempty" doc:"Tries of the restart policy since it last ran for ten minutes."`
	RestartAt   time.Time        `json:"restart_at,omitzero" doc:"When the restart policy tries again."`
	SwitchAt    time.Time        `json:"switch_at,omitzero" doc:"When its hours start or stop it next."`
	SwitchTo    inventory.Intent `json:"switch_to,omitempty" doc:"What they make it do then: run or stop."`
	LeaseWarned bool             `json:"lease_warned,omitempty" doc:"A warning was given that its lease ends."`
	// Devices leaves out those that are well.
	Devices map[string]inventory.DeviceState `json:"devices,omitempty" doc:"Devices whose process had to be started again."`
}

// Limits are the effective sizes; empty where there is no limit.
type Limits struct {
	CPUs      string `json:"cpus,omitempty"`
	Memory    string `json:"memory,omitempty"`
	Disk      string `json:"disk,omitempty"`
	Processes string `json:"processes,omitempty"`
}

// Stats is one measurement of a container beside its limits.
type Stats struct {
	ID       inventory.ContainerID `json:"id"`
	Name     string                `json:"name"`
	Project  string                `json:"project"`
	At       time.Time             `json:"at"`
	Observed Observed              `json:"observed"`
	Limits   Limits                `json:"limits"`
}

// A Revision is one entry of a container's history.
type Revision struct {
	Revision  int64                 `json:"revision"`
	At        time.Time             `json:"at"`
	Verb      string                `json:"verb"`
	Principal inventory.Principal   `json:"principal"`
	Reason    string                `json:"reason,omitempty"`
	Ticket    string                `json:"ticket,omitempty"`
	Operation inventory.OperationID `json:"operation,omitempty"`
	Container Container             `json:"container" doc:"As desired from then on; nothing observed."`
}

// FromContainer writes c and what was measured of it. Limits and Effective are left to the caller,
// who knows the layers of settings.
func FromContainer(c *inventory.Container, o inventory.Observed) Container {
	return Container{
		ID: c.ID, HostID: c.HostID, Name: c.Name, Project: c.Project, Owner: c.Owner, Purpose: c.Purpose,
		Environment: c.Environment, DataClass: c.DataClass, Labels: c.Labels, Ticket: c.Ticket,
		Image: c.Image, ImageDigest: c.ImageDigest, Pool: c.Pool,
		State: o.State, Intent: c.Intent, Observed: FromObserved(o),
		Settings: c.Settings, NICs: fromNICs(c), Devices: c.Devices, After: c.After, IDBase: c.IDBase,
		Revision: c.Revision, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		ExpiresAt: utc(c.ExpiresAt), RunUntil: utc(c.RunUntil), TrashedAt: utc(c.TrashedAt),
	}
}

// FromObserved writes a measurement.
func FromObserved(o inventory.Observed) Observed {
	return Observed{
		State: o.State, InitPID: o.InitPID, StartedAt: utc(o.StartedAt), MemoryBytes: int64(o.Memory),
		CPUSeconds: o.CPUTime.Seconds(), Processes: o.Processes, DiskBytes: int64(o.Disk), Unbounded: o.Unbounded,
		Reason: o.Reason, Restarts: o.Restarts, RestartAt: utc(o.RestartAt), SwitchAt: utc(o.SwitchAt), SwitchTo: o.SwitchTo,
		LeaseWarned: o.LeaseWarned, Devices: o.Devices,
	}
}

// FromRevision writes one entry of a history.
func FromRevision(r inventory.Revision) Revision {
	w := Revision{At: r.At.UTC(), Verb: r.Verb, Principal: r.Principal, Reason: r.Reason, Ticket: r.Ticket,
		Operation: r.Operation}
	if r.Container != nil {
		w.Revision, w.Container = r.Container.Revision, FromContainer(r.Container, inventory.Observed{})
	}
	return w
}

func fromNICs(c *inventory.Container) []NIC {
	out := make([]NIC, len(c.NICs))
	for i, n := range c.NICs {
		out[i] = NIC{Network: n.Network, Name: n.Name, Host: c.HostInterface(n.Index), MAC: n.MAC, IPv4: text(n.IPv4), IPv6: text(n.IPv6),
			Pinned: n.Pinned, Device: n.Device}
	}
	return out
}

// text writes an address; "" for the zero address, whose String is "invalid IP".
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// utc keeps the zero time zero, so that omitzero drops it.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
