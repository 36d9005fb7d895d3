package container

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Host inventory.HostID
	// FirstIDBase is where this agent's id ranges begin, and IDRanges how many there are; agents
	// side by side have claimed theirs.
	FirstIDBase uint32
	IDRanges    int
	// Cgroups is how the host has its control groups, which not every init runs on; "" asks nothing.
	Cgroups     inventory.CgroupLayout
	Settings    inventory.Settings
	Store       Store
	Power       power
	Shape       shape
	Devices     devices
	Plugs       plugs
	DeviceTypes inventory.DeviceTypes
	Observer    observer
	Pools       pools
	Images      images
	Archives    archives
	Addresses   addresses
	Placement   placement
	Names       names
	Traffic     traffic
	Caveats     caveats
	Projects    projects
	// HostSize is what the host has of CPUs and memory.
	HostSize func(ctx context.Context) (gate.Reservation, error)

	// FirstBoot writes what makes a root file system this container's: host name, machine id, SSH
	// host keys, resolver. Doing it twice is harmless.
	FirstBoot func(ctx context.Context, b FirstBoot) error
	// HostChanged brings the host itself to its settings after some of them changed. It is told all
	// of them, and may be told twice.
	HostChanged func(ctx context.Context, values map[string]string) error
	Log         *slog.Logger
	Now         func() time.Time
}

// FirstBoot is what Config.FirstBoot is told.
type FirstBoot struct {
	Container *inventory.Container
	Rootfs    string
	Gateway   netip.Addr // the resolver the container is to ask; zero: those of the host
	Gateway6  netip.Addr
	UserData  string
	SSHKeys   []string
}

// Store is what the service keeps and reads. Containers themselves are written by the gate.
type Store interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
	IDBases(ctx context.Context) ([]uint32, error)
	History(ctx context.Context, id inventory.ContainerID) ([]inventory.Revision, error)
	hostSettings
	// Unfinished returns the host's operations that have not ended.
	Unfinished(ctx context.Context, host inventory.HostID) ([]inventory.Operation, error)
	// WaitingDeadlines returns the container's deadlines of that verb that still wait.
	WaitingDeadlines(ctx context.Context, id inventory.ContainerID, verb string) ([]inventory.Deadline, error)
	// DeadlinesSince returns those of that verb due at since or later, over or not, the first first.
	DeadlinesSince(ctx context.Context, id inventory.ContainerID, verb string,
		since time.Time) ([]inventory.Deadline, error)
	// AllWaiting returns the deadlines of every container that the principal made and that wait.
	AllWaiting(ctx context.Context, principal string) ([]inventory.Deadline, error)
	// EndDeadline notes the outcome; ErrStale if it has one already.
	EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error
	AppendEvent(ctx context.Context, e inventory.Event) error
	NoteEvent(ctx context.Context, e inventory.Event) error
	snapshots
	volumes
}

type volumes interface {
	// Volumes returns those of a project; of all with "".
	Volumes(ctx context.Context, project string) ([]inventory.Volume, error)
	Volume(ctx context.Context, ref inventory.Ref) (inventory.Volume, error)
	// Attachable says whether the container could have the volumes its devices name.
	Attachable(ctx context.Context, c *inventory.Container) error
}

type hostSettings interface {
	HostSettings(ctx context.Context) (map[string]string, error)
	// SetHostSettings makes the containers of reserve count that much in the same transaction; ErrQuota
	// if that exceeds a quota.
	SetHostSettings(ctx context.Context, values map[string]string, reserve map[inventory.ContainerID]inventory.Reservation) error
	// TryReserve returns the error that SetHostSettings would, and changes nothing.
	TryReserve(ctx context.Context, reserve map[inventory.ContainerID]inventory.Reservation) error
}

type snapshots interface {
	AddSnapshot(ctx context.Context, s inventory.Snapshot) error
	Snapshot(ctx context.Context, id inventory.ContainerID, name string) (inventory.Snapshot, error)
	Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error)
	DeleteSnapshot(ctx context.Context, id inventory.ContainerID, name string) error
}

// power starts and stops; every call is bounded by ctx and safe to repeat.
type power interface {
	Start(ctx context.Context, b inventory.Boot) error
	Stop(ctx context.Context, c *inventory.Container, timeout time.Duration, kill bool) error
	Kill(ctx context.Context, c *inventory.Container) error
	Freeze(ctx context.Context, c *inventory.Container) error
	Unfreeze(ctx context.Context, c *inventory.Container) error
}

// shape keeps what liblxc reads in step with what is desired.
type shape interface {
	Configure(ctx context.Context, b inventory.Boot) error
	Apply(ctx context.Context, b inventory.Boot, changed []string) error
	Rename(ctx context.Context, c *inventory.Container, oldLXCName string) error
	Remove(ctx context.Context, c *inventory.Container) error
}

// devices come and go while a container runs. Attach and Detach do nothing for one that doesn't, and
// may be repeated.
type devices interface {
	// Check says whether the host would give the device to the container of b, and changes nothing.
	Check(ctx context.Context, b inventory.Boot, d inventory.Device) error
	Attach(ctx context.Context, b inventory.Boot, d inventory.Device) error
	// CheckHostFolder says whether devices could ever show something beneath a folder of the host.
	CheckHostFolder(path string) error
	// Detach is ErrBusy, with the names of those who use it, for a device that is in use.
	Detach(ctx context.Context, b inventory.Boot, d inventory.Device) error
}

// plugs makes interfaces of a container that runs again, which somebody took away.
type plugs interface {
	Plug(ctx context.Context, b inventory.Boot, nics ...inventory.NIC) error
}

type observer interface {
	Observe(c *inventory.Container) inventory.Observed
	State(c *inventory.Container) inventory.State
	// Adopt says of which containers Exited is told, now or later; see Service.Adopt.
	Adopt(ctx context.Context, all []*inventory.Container) (known map[inventory.ContainerID]bool, err error)
}

// pools are where root file systems live.
type pools interface {
	// Pool is the one of that name. Its methods say so when there is none or it doesn't work.
	Pool(name string) storage.Pool
	// Default is the name of the one new containers come to.
	Default() string
	// Rooms measures the pools that work, the default one first.
	Rooms(ctx context.Context) ([]storage.NamedRoom, error)
}

type images interface {
	// Image finds one by alias or digest; ErrNotFound says how to get one.
	Image(ctx context.Context, ref string) (inventory.Image, error)
}

// archives are exports of other managers that a door has spooled.
type archives interface {
	// Look says what container one is of, and changes nothing.
	Look(ctx context.Context, upload string) (*inventory.Imported, error)
	// Unpack writes its files below dir, an empty folder, and says what system they are.
	Unpack(ctx context.Context, r *gate.Run, upload, dir string) (*inventory.Imported, inventory.Image, error)
	// Drop removes it; one that is gone is no error.
	Drop(upload string) error
}

// addresses is the address plan.
type addresses interface {
	// Assign picks a NIC's addresses on a network: those wanted if they can be had, else the next free
	// ones. What it picked is not given again for a while, so that parallel creates differ.
	Assign(ctx context.Context, r AddressRequest) (inventory.NIC, error)
	Networks(ctx context.Context) (map[string]inventory.Network, error)
}

// An AddressRequest asks for the addresses of one interface.
type AddressRequest struct {
	Network string // the default network when empty
	Want    string // an IPv4 address; the next free one when empty
	// Container is who is to have them: asked again about the same interface, the same are picked.
	Container *inventory.Container
	Index     int // of the interface
	// Plain asks for an interface on no network, without addresses.
	Plain bool
}

// projects are the tenants containers belong to.
type projects interface {
	// Project finds one by name; ErrNotFound if there is none.
	Project(ctx context.Context, name string) (inventory.Project, error)
}

// names makes the containers' names answerable.
type names interface {
	Publish(ctx context.Context, all []*inventory.Container) error
}

// Service has the verbs. Safe for concurrent use.
type Service struct {
	Config

	mu      sync.Mutex // guards picked
	picked  map[uint32]time.Time
	publish sync.Mutex // zones are published in the order they were read

	devicesMu sync.Mutex // guards devices
	devices   map[inventory.ContainerID]*sync.Mutex

	hoursChanged chan struct{} // pokes KeepHours

	lost   map[string]int // see RepairNICs, which alone uses both
	remade map[inventory.ContainerID]remakes

	policyMu  sync.Mutex                          // guards what follows but gate
	attempts  map[inventory.ContainerID]attempts  // see retried
	late      map[inventory.ContainerID]time.Time // see expectLate
	switching map[inventory.ContainerID]switching // see KeepHours
	gate      *gate.Gate
}

// New returns a service without side effects.
func New(cfg Config) *Service {
	return &Service{Config: cfg, devices: map[inventory.ContainerID]*sync.Mutex{},
		remade: map[inventory.ContainerID]remakes{}, picked: map[uint32]time.Time{}, hoursChanged: make(chan struct{}, 1),
		attempts: map[inventory.ContainerID]attempts{}, late: map[inventory.ContainerID]time.Time{}}
}

// lockDevices has one at a time give a running container devices, or take them.
func (s *Service) lockDevices(id inventory.ContainerID) (unlock func()) {
	s.devicesMu.Lock()
	m := s.devices[id]
	if m == nil {
		m = &sync.Mutex{}
		s.devices[id] = m
	}
	s.devicesMu.Unlock()
	m.Lock()
	return m.Unlock
}

// Use gives the service the gate its own actions (restart policy, boot) have to pass. It is called
// once, before anything runs: the gate needs the service's verbs first.
func (s *Service) Use(g *gate.Gate) { s.gate = g }

// pool is where c's root file system lives.
func (s *Service) pool(c *inventory.Container) storage.Pool { return s.Pools.Pool(c.Pool) }

// boot gathers what the runtime has to know about c.
func (s *Service) boot(ctx context.Context, c *inventory.Container) (inventory.Boot, error) {
	values, err := s.Effective(ctx, c)
	if err != nil {
		return inventory.Boot{}, err
	}
	networks, err := s.Addresses.Networks(ctx)
	if err != nil {
		return inventory.Boot{}, err
	}
	b := inventory.Boot{Container: c, Settings: inventory.ValueMap(values),
		Rootfs: s.pool(c).Path(string(c.ID)), Networks: networks}
	return b, s.bootDevices(ctx, &b)
}

// Effective returns every container setting in force for c, with its origin.
func (s *Service) Effective(ctx context.Context, c *inventory.Container) ([]inventory.Value, error) {
	above, err := s.above(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	own := inventory.Layer{Origin: "container", Values: c.Settings}
	return s.Config.Settings.Effective(append([]inventory.Layer{own}, above...)...), nil
}

// above returns the layers of settings over the containers of a project: its own, the host's. A
// project that is lost leaves its containers what they need to start.
func (s *Service) above(ctx context.Context, project string) ([]inventory.Layer, error) {
	p, err := s.Projects.Project(ctx, project)
	if errors.Is(err, inventory.ErrNotFound) {
		p.Name, err = project, nil
	}
	if err != nil {
		return nil, err
	}
	host, err := s.Store.HostSettings(ctx)
	return []inventory.Layer{p.Layer(), {Origin: "host", Values: host}}, err
}

// value is one effective setting; c's own, or the host's, or the default.
func (s *Service) value(ctx context.Context, c *inventory.Container, name string) (string, error) {
	values, err := s.Effective(ctx, c)
	if err != nil {
		return "", err
	}
	return inventory.ValueMap(values)[name], nil
}
