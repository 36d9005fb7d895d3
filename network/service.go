package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/network/lease"
	"lodge/network/names"
	"lodge/network/nft"
	"lodge/network/role"
)

// Config is what a Service is made of. Root and SelfExe are needed; the rest has defaults.
type Config struct {
	Root    string // of the agent
	RunDir  string // for the role's socket, log and last zone; ROOT/run when empty
	SelfExe string // the agent's binary, started as "SelfExe net ..."
	Version string // a role of another version is replaced; the binary's size and time when empty
	RoleID  uint32 // uid and gid of the role (Claims.RoleID); nobody's when 0
	// ResolvConf is the host's; /etc/resolv.conf when empty.
	ResolvConf string
	// HostsFile is the host's; /etc/hosts when empty.
	HostsFile string
	// Resolver is the host's; there is none when it is nil.
	Resolver Resolver
	// IsHosts: this agent is the host's own, whose containers the host knows by default.
	IsHosts bool
	Options Options
	Starter Starter // Detached{} when nil
	// Estate is what the rules are made of, as it is now; an empty one when nil.
	Estate func(ctx context.Context) (Estate, error)
	Log    *slog.Logger
	Now    func() time.Time
}

// A Starter starts a process that outlives the agent, in a session of its own, without descriptors
// of the agent and outside the agent's limits. It returns once the process was started.
type Starter interface {
	Start(ctx context.Context, name string, argv []string) error
}

// A Service makes networks real on this host, and the containers' names known on them. Its methods
// may be called at the same time.
type Service struct {
	cfg Config
	log *slog.Logger

	apply  sync.Mutex      // one change of bridges and rules at a time
	judged map[string]bool // bridges whose ports' packets pass the rules, of those looked at. apply guards it
	rules  *nft.Table      // what the kernel was told last; nil: unknown. apply guards it
	// ports are the containers' interfaces the last look found, by their numbers. apply guards it
	ports map[int]bool
	// hairpinned are the ports that send back what came from them. apply guards it
	hairpinned map[string]port
	conn       *nft.Conn // nil until rules are written. apply guards it
	// What Repair goes by, guarded by apply: the time of the rules, the generation of nftables that was
	// found right, and what nft said of each table then.
	rulesAt    time.Time
	generation uint32
	listed     map[string]listing
	// ends are the host's ends of interfaces that are no ports of a bridge: the rules have to know them
	// before they are there. apply guards it.
	ends map[string]end
	// wrong are the ends that were not as they should be at the last look of Repair. apply guards it.
	wrong map[string]bool

	// steer is held while the role is started, adopted, told something or stopped. It is taken
	// before mu and after apply.
	steer    turn
	client   *role.Client // nil: no role, or none that is known
	acked    *role.State  // what the role has; nil: unknown
	watching context.CancelFunc
	watch    sync.WaitGroup

	// hostNames is what watchHostNames has done; only one goroutine at a time has it.
	hostNames hostNames
	changed   chan struct{} // a token: names have changed since it was taken

	drops drops

	mu      sync.Mutex                   // guards the rest
	nets    map[string]inventory.Network // managed ones; nil until the first Ensure or Remove
	others  map[string]inventory.Network // what Ensure was told of that is not managed
	options Options
	entries []Entry
	leases  map[string][]lease.Binding // by network
	known   bool                       // Publish was called: these are this agent's and not the last one's
	serial  uint32
	records []names.Record
	keys    map[netip.Addr][]string // SSHFP by IPv4 address, as that outlives a name
	// recordsKnown is known for records.
	recordsKnown bool
	hostWay      HostWay
}

// New returns a service that has touched nothing yet: Ensure and StartRole do.
func New(cfg Config) *Service {
	if cfg.RunDir == "" {
		cfg.RunDir = filepath.Join(cfg.Root, "run")
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = ResolvConf
	}
	if cfg.HostsFile == "" {
		cfg.HostsFile = HostsFile
	}
	if cfg.Starter == nil {
		cfg.Starter = Detached{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Version == "" {
		cfg.Version = fileVersion(cfg.SelfExe)
	}
	return &Service{cfg: cfg, log: cfg.Log, steer: newTurn(), options: cfg.Options, changed: make(chan struct{}, 1),
		judged: map[string]bool{}, hairpinned: map[string]port{}, listed: map[string]listing{}, ends: map[string]end{}, wrong: map[string]bool{},
		others: map[string]inventory.Network{}}
}

// fileVersion tells one build of a program from another.
func fileVersion(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d-%d", st.Size(), st.ModTime().UnixNano())
}

// Settings returns the host settings this package applies.
func (s *Service) Settings() []inventory.Setting { return Settings() }

// Ensure makes the host match the network: bridge, addresses, kernel parameters, rules, and, once
// StartRole was called, the sockets of the name server. It changes only what differs and may be
// called at any time; running containers notice nothing.
//
// ErrInvalid: the network makes no sense. ErrExists: the bridge's name belongs to something else.
// ErrNotFound: a network on an interface of the host, and the interface is not there.
// ErrUnavailable: nftables or the role can't be used; the bridge is up then.
func (s *Service) Ensure(ctx context.Context, n inventory.Network) error {
	if err := Check(n); err != nil {
		return err
	}
	s.apply.Lock()
	defer s.apply.Unlock()
	if !n.IsManaged() {
		return s.ensureOther(ctx, n)
	}
	if n.IPv6.IsValid() && !HasIPv6() {
		s.log.Warn("a network has IPv4 alone: IPv6 is disabled on this host", "network", n.Name)
	}
	if err := s.ensureBridge(n); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	if err := s.forwarding(n); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	s.judged[n.Bridge] = s.judgeBridge(n)
	s.mu.Lock()
	if s.nets == nil {
		s.nets = map[string]inventory.Network{}
	}
	s.nets[n.Name] = n
	s.mu.Unlock()
	if err := errors.Join(s.ensureFirewall(ctx, n), s.applyRules(ctx)); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	if err := s.ensureFloodLimits(ctx, n); err != nil {
		s.log.Warn("a container may flood the name server", "err", err) // it has limits of its own
	}
	return s.resteer(ctx)
}

// Remove takes the network off the host: names, rules, bridge. Kernel parameters stay, since others
// may rely on them by now. Removing what isn't there is no error.
func (s *Service) Remove(ctx context.Context, n inventory.Network) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	if !n.IsManaged() {
		return s.removeOther(ctx, n)
	}
	s.mu.Lock()
	if s.nets == nil {
		s.nets = map[string]inventory.Network{}
	}
	delete(s.nets, n.Name)
	s.mu.Unlock()
	return errors.Join(s.resteer(ctx), s.removeFirewall(ctx, n), s.applyRules(ctx), removeGuards(ctx, n.Bridge),
		s.removeFloodLimits(ctx, n), s.removeBridge(n))
}

// Configure puts changed host settings into effect.
func (s *Service) Configure(ctx context.Context, o Options) error {
	s.mu.Lock()
	s.options = o
	s.mu.Unlock()
	var errs []error
	s.apply.Lock()
	for _, n := range s.networks() {
		errs = append(errs, s.ensureFirewall(ctx, n))
	}
	errs = append(errs, s.applyRules(ctx))
	s.apply.Unlock()
	s.tellHost()
	return errors.Join(append(errs, s.resteer(ctx))...)
}

// Check reports whether the network can be: ErrInvalid with a sentence if not.
func Check(n inventory.Network) error {
	switch {
	case n.Name == "" || n.Bridge == "" && !n.IsRouted() || len(n.Bridge) > 15:
		return inventory.Errorf(inventory.ErrInvalid,
			"network %q needs a name, and a bridge of at most 15 characters, not %q", n.Name, n.Bridge)
	case !n.IPv4.IsValid() || !n.IPv4.Addr().Is4() || n.IPv4.Bits() > 30 || n.IPv4.Addr() == n.IPv4.Masked().Addr():
		return inventory.Errorf(inventory.ErrInvalid,
			"network %s: %s is no gateway address with a length, like 10.86.0.1/24", n.Name, n.IPv4)
	case n.IPv6.IsValid() && (!n.IPv6.Addr().Is6() || n.IPv6.Bits() != 64):
		return inventory.Errorf(inventory.ErrInvalid, "network %s: %s is no IPv6 gateway address with /64", n.Name, n.IPv6)
	case n.MTU != 0 && (n.MTU < 1280 || n.MTU > 65535):
		// RFC 8200, 5: IPv6 needs 1280.
		return inventory.Errorf(inventory.ErrInvalid, "network %s: an MTU of %d is not possible; 1280 to 65535 are",
			n.Name, n.MTU)
	}
	return nil
}

func (s *Service) networks() []inventory.Network {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []inventory.Network
	for _, name := range slices.Sorted(maps.Keys(s.nets)) {
		out = append(out, s.nets[name])
	}
	return out
}

func (s *Service) currentOptions() Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

func (s *Service) zonePath() string    { return filepath.Join(s.cfg.RunDir, "zone.json") }
func (s *Service) controlPath() string { return filepath.Join(s.cfg.RunDir, "net.sock") }

// Entry is one container's names and addresses in the zone.
type Entry = names.Entry

// Entries returns what the zone says of containers: all that have an address and don't lie in the
// trash, running or not, because an address is held and not leased. One entry per interface.
func Entries(containers []inventory.Container) []Entry {
	var out []Entry
	for i := range containers {
		c := &containers[i]
		if c.IsTrashed() {
			continue
		}
		for _, nic := range c.NICs {
			if nic.IPv4.IsValid() || nic.IPv6.IsValid() {
				out = append(out, Entry{Name: c.Name, Project: c.Project, IPv4: nic.IPv4, IPv6: nic.IPv6,
					Owner: c.Owner, Services: names.Services(c.Labels)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name))
	})
	return out
}
