package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// A Backend is an open pool.
type Backend interface {
	storage.Pool
	// Check reports, cheaply, why the pool can't work now.
	Check(ctx context.Context) error
	// Bounded reports whether the volume is held to a size; true when that can't be told.
	Bounded(id string) bool
	// Close ends its use by this process; containers run on.
	Close() error
	// Destroy removes everything in it for good and closes it. It may be called again after a crash.
	Destroy(ctx context.Context) error
}

// A Scrubber is a backend that can read everything in it and compare it with its checksums.
type Scrubber interface {
	// Scrub does it, tells how far it is, and returns the number of errors it could not repair.
	Scrub(ctx context.Context, progress func(percent int)) (errors int64, err error)
}

// A Detacher is a backend that can let go of its devices, to take them anew after they failed.
type Detacher interface{ Detach() error }

// A Thawer is a backend that freezes containers while it copies. What an agent that died has left
// frozen goes on.
type Thawer interface {
	ThawLeft(ctx context.Context) error
}

// A Driver opens pools of one kind. Unless fresh, the pool was made before: without it in its place
// the driver is not to make another.
type Driver func(ctx context.Context, p inventory.Pool, fresh bool) (Backend, error)

// Config is what a Service needs. All fields are required.
type Config struct {
	Host    inventory.HostID
	Store   Store
	Drivers map[string]Driver
	Log     *slog.Logger
	Now     func() time.Time
}

// Store keeps the rows. Every method is one transaction.
type Store interface {
	rows
	users
}

type rows interface {
	AddPool(ctx context.Context, p inventory.Pool) error
	Pools(ctx context.Context) ([]inventory.Pool, error)
	SetDefaultPool(ctx context.Context, name string) error
	SavePoolScrub(ctx context.Context, p inventory.Pool) error
}

type users interface {
	// DeletePool is ErrState while a container is on the pool.
	DeletePool(ctx context.Context, name string) error
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
	AppendEvent(ctx context.Context, e inventory.Event) error
}

// Service has the pools and their verbs. Safe for concurrent use.
type Service struct {
	Config

	mu    sync.RWMutex // guards pools
	pools map[string]*entry
	// opening is held while a pool is opened, closed or removed: that happens once at a time.
	opening sync.Mutex
	gate    *gate.Gate
}

// An entry is one pool. Its fields change under Service.mu.
type entry struct {
	row     inventory.Pool
	backend Backend // nil: it doesn't work now
	reason  error   // why not
	last    Backend // the one before it was lost, for the paths
}

// New returns a service without pools.
func New(c Config) *Service { return &Service{Config: c, pools: map[string]*entry{}} }

// Use gives the service the gate that its own facts go through. It is called once, before Run.
func (s *Service) Use(g *gate.Gate) { s.gate = g }

// Open opens every pool the store has a row of. On a host without any it makes first, which becomes
// the default pool. A pool that can't be opened is lost, not an error: the others work, and it is
// tried again.
func (s *Service) Open(ctx context.Context, first inventory.Pool) error {
	all, err := s.Store.Pools(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.make(ctx, first)
	}
	for _, row := range all {
		backend, err := s.open(ctx, row, false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.mu.Lock()
		s.pools[row.Name] = &entry{row: row, backend: backend, reason: err}
		s.mu.Unlock()
		if err != nil {
			s.Log.Error("a pool is lost; its containers can't be used", "pool", row.Name, "error", err)
		}
	}
	return nil
}

// make makes a pool, or opens the one an earlier try has made, and adds its row.
func (s *Service) make(ctx context.Context, row inventory.Pool) error {
	backend, err := s.open(ctx, row, true)
	if err != nil {
		return err
	}
	if err := s.Store.AddPool(ctx, row); err != nil {
		backend.Close()
		return err
	}
	s.mu.Lock()
	s.pools[row.Name] = &entry{row: row, backend: backend}
	s.mu.Unlock()
	return s.refresh(ctx)
}

func (s *Service) open(ctx context.Context, row inventory.Pool, fresh bool) (Backend, error) {
	driver := s.Drivers[row.Driver]
	if driver == nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "pool %s has the driver %q, which this agent doesn't have",
			row.Name, row.Driver)
	}
	return driver(ctx, row, fresh)
}

// refresh reads the rows again after one has changed.
func (s *Service) refresh(ctx context.Context) error {
	all, err := s.Store.Pools(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range all {
		if e := s.pools[row.Name]; e != nil {
			e.row = row
		}
	}
	return nil
}

// Close closes all pools; containers run on.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for _, e := range s.pools {
		if e.backend == nil {
			continue
		}
		if err := e.backend.Close(); err != nil && first == nil {
			first = err
		}
	}
	clear(s.pools)
	return first
}

// ThawLeft lets containers go on that an earlier agent froze for a copy and died in it. It is called
// once the runtime knows the containers.
func (s *Service) ThawLeft(ctx context.Context) error {
	var failed error
	for _, h := range s.working() {
		if t, ok := h.Backend.(Thawer); ok {
			failed = errors.Join(failed, t.ThawLeft(ctx))
		}
	}
	return failed
}

// Folders are where pools lie outside of the root, those that are lost too: on the host they are nobody
// else's.
func (s *Service) Folders() (folders []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.pools {
		if e.row.Source != "" {
			folders = append(folders, e.row.Source)
		}
	}
	return folders
}

// Pool is the pool of that name. Its methods are ErrUnavailable while it is lost and ErrNotFound
// when there is none.
func (s *Service) Pool(name string) storage.Pool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.pools[name]
	if e == nil {
		return lost{name: name, reason: inventory.Errorf(inventory.ErrNotFound,
			"there is no pool %s; 'lodge pool list' shows them", name)}
	}
	if e.backend == nil {
		return lost{name: name, reason: e.reason, last: e.last}
	}
	return held{e.backend, s, name}
}

// Default is the name of the pool new containers come to.
func (s *Service) Default() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, e := range s.pools {
		if e.row.Default {
			return name
		}
	}
	return inventory.DefaultPool
}

// Lost says why a pool doesn't work; nil when it does.
func (s *Service) Lost(name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.pools[name]; e != nil && e.backend != nil {
		return nil
	} else if e != nil {
		return e.reason
	}
	return inventory.Errorf(inventory.ErrNotFound, "there is no pool %s", name)
}

// Bounded reports whether a pool holds a volume to its size; true when that can't be told.
func (s *Service) Bounded(name, id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.pools[name]
	return e == nil || e.backend == nil || e.backend.Bounded(id)
}

// working are the pools that work now, by name; the default one first.
func (s *Service) working() []held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []held
	for name, e := range s.pools {
		if e.backend == nil {
			continue
		}
		h := held{e.backend, s, name}
		out = append(out, h)
	}
	isDefault := func(h held) bool { return s.pools[h.name].row.Default }
	slices.SortFunc(out, func(a, b held) int {
		if isDefault(a) != isDefault(b) {
			return map[bool]int{true: -1, false: 1}[isDefault(a)]
		}
		return strings.Compare(a.name, b.name)
	})
	return out
}
