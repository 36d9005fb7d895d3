package inventory

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// A Container is one OS container as desired: what was asked for, by whom and why. What the kernel
// shows of it now is an Observed.
type Container struct {
	ID          ContainerID
	HostID      HostID
	Name        string // a DNS label, unique within the project
	Project     string
	Owner       string // the principal who answers for it
	Purpose     string // what it is for, in a sentence; required
	Environment Environment
	DataClass   string
	Labels      map[string]string
	Ticket      string

	Image       string // the alias it was made from, as asked for: "debian/12"
	ImageDigest string // what the alias meant then: "sha256:..."
	Pool        string

	// Settings holds only what was set on this container; defaults are added by Effective.
	Settings map[string]string
	// IDBase is the first of the 65536 host ids its user namespace maps. Never shared, and not
	// given again while any of its data exists.
	IDBase    uint32
	NICs      []NIC
	Devices   []Device // sorted by name
	After     []string // what has to be up before this one starts; see Dependency
	Intent    Intent
	ExpiresAt time.Time // until when its lease keeps it; zero: for ever
	RunUntil  time.Time // until when its lease lets it run; zero: for ever

	// Revision grows by one with every change and is what If-Match compares.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
	// TrashedAt is set while the container lies in the trash: stopped, hidden from lists, its
	// name, address and data kept.
	TrashedAt time.Time
}

// A NIC is one network interface of a container. Addresses are state: allocated at create, kept
// until purge.
type NIC struct {
	Network string // "" for a plain pair, which has no address of ours
	Name    string // inside the container: eth0
	MAC     string
	IPv4    netip.Addr
	IPv6    netip.Addr
	Pinned  bool // the address was asked for, not picked
	// Device is the name of the device that gives it; "" for the one a container is made with, which
	// alone leads out and to the names. Index numbers the interfaces of a container, that one's is 0;
	// it stays while others come and go.
	Device string
	Index  int
}

// Observed is what the kernel shows of a container at one instant.
type Observed struct {
	State     State
	InitPID   int       // 0: not running
	StartedAt time.Time // of the present init; zero when not running
	Memory    Bytes     // in use, without the page cache that can be dropped
	CPUTime   time.Duration
	Processes int
	Disk      Bytes  // in use on the pool by this container alone
	Unbounded bool   // its pool doesn't hold it to the size of its disk
	Reason    string // why the state is error, or why the last run ended
	// Restarts is how often the restart policy has tried lately to start it, and RestartAt when it
	// will again; zero when no try is due.
	Restarts  int
	RestartAt time.Time
	// SwitchAt is when its hours start or stop it next (SwitchTo); zero when they never do.
	SwitchAt time.Time
	SwitchTo Intent
	// LeaseWarned is set once a warning was given that its lease ends.
	LeaseWarned bool
	// Devices are those whose process had to be started again, by name.
	Devices map[string]DeviceState
}

// NIC returns the interface that the device of that name gives.
func (c *Container) NIC(device string) (NIC, bool) {
	i := slices.IndexFunc(c.NICs, func(n NIC) bool { return n.Device == device && device != "" })
	if i < 0 {
		return NIC{}, false
	}
	return c.NICs[i], true
}

// IsPlain reports whether it is a pair the agent plans no address for: nictype=p2p.
func (n NIC) IsPlain() bool { return n.Network == "" }

// Ref returns how a person names the container.
func (c *Container) Ref() Ref { return Ref{Project: c.Project, Name: c.Name} }

// LXCName is the name liblxc knows it by, and that of its folder below the lxcpath.
func (c *Container) LXCName() string { return LXCName(c.Project, c.Name) }

// IsTrashed reports whether it lies in the trash.
func (c *Container) IsTrashed() bool { return !c.TrashedAt.IsZero() }

// Clone returns a copy that shares no map or slice with c.
func (c *Container) Clone() *Container {
	d := *c
	d.Labels = maps.Clone(c.Labels)
	d.Settings = maps.Clone(c.Settings)
	d.NICs = slices.Clone(c.NICs)
	d.Devices = slices.Clone(c.Devices) // their properties are never changed in place
	d.After = slices.Clone(c.After)
	return &d
}

// HostInterface is the name of the host's end of the NIC with index n: stable over restarts, so that
// firewall rules and counters stay valid, and within the kernel's 15 characters.
func (c *Container) HostInterface(n int) string {
	return "l" + string(rune('a'+n)) + c.ID.Short()
}
