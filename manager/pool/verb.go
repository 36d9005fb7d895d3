package pool

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Verbs returns the rows of this package. Reading pools is pool.view, which the API has.
func (s *Service) Verbs() []gate.Verb {
	row := func(name, command string, risk inventory.Risk) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightHost, Mode: gate.ModeOperation, Risk: risk,
			Command: command, Subject: subject}
	}
	create := row("pool.create", "pool create", inventory.RiskMedium)
	create.Prepare = s.prepareCreate
	create.Steps = []gate.Step{{Name: "make", Do: s.create, Undo: s.uncreate}}

	remove := row("pool.delete", "pool delete", inventory.RiskHigh)
	remove.Interrupts = "everything in the pool is gone for good"
	remove.Prepare, remove.Recovery = s.prepareDelete, gate.RecoverFinish
	remove.Steps = []gate.Step{{Name: "images", Do: s.keepImages}, {Name: "row", Do: s.deleteRow},
		{Name: "data", Do: s.deleteData}}

	main := row("pool.set-default", "pool set-default", inventory.RiskMedium)
	main.Prepare, main.Recovery = s.prepareDefault, gate.RecoverFinish
	main.Steps = []gate.Step{{Name: "row", Do: s.setDefault, Undo: s.setDefaultBack}}

	scrub := row("pool.scrub", "pool scrub", inventory.RiskLow)
	scrub.Prepare = s.prepareScrub
	scrub.Steps = []gate.Step{{Name: "scrub", Do: s.scrub}}
	return []gate.Verb{create, remove, main, scrub}
}

// subject is the pool a verb works on and is exclusive over.
func subject(r *gate.Request) (subject, name string, err error) {
	var a struct{ Name string }
	if err := json.Unmarshal(r.Args, &a); err != nil || a.Name == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which pool is meant")
	}
	return "pool:" + a.Name, a.Name, nil
}

// row is that of one pool; ErrNotFound if there is none.
func (s *Service) row(name string) (inventory.Pool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.pools[name]; e != nil {
		return e.row, nil
	}
	return inventory.Pool{}, inventory.Errorf(inventory.ErrNotFound,
		"there is no pool %s; 'lodge pool list' shows them", name)
}

// ref reads the parameters of a verb on one pool that is there.
func (s *Service) ref(raw interface{ Decode(any) error }) (inventory.Pool, error) {
	var args inventory.PoolRef
	if err := raw.Decode(&args); err != nil {
		return inventory.Pool{}, err
	}
	return s.row(args.Name)
}

func (s *Service) prepareCreate(_ context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.PoolArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if args.Driver == "" {
		args.Driver = "btrfs"
	}
	if _, err := s.newRow(args); err != nil {
		return nil, err
	}
	d := &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "pool", After: args.Name, Effect: inventory.EffectLive}, {Field: "driver", After: args.Driver}}}
	for field, value := range map[string]string{"source": args.Source, "size": args.Size} {
		if value != "" {
			d.Effects = append(d.Effects, inventory.EffectLine{Field: field, After: value})
		}
	}
	return d, nil
}

// newRow checks the parameters of a pool that isn't there yet.
func (s *Service) newRow(args inventory.PoolArgs) (inventory.Pool, error) {
	p := inventory.Pool{Name: args.Name, HostID: s.Host, Driver: args.Driver, Source: args.Source,
		CreatedAt: s.Now().UTC()}
	if err := inventory.CheckName("the pool", p.Name); err != nil {
		return p, err
	}
	if _, err := s.row(p.Name); err == nil {
		return p, inventory.Errorf(inventory.ErrExists, "there is a pool %s already; choose another name", p.Name)
	}
	if s.Drivers[p.Driver] == nil {
		return p, inventory.Errorf(inventory.ErrInvalid, "%q is no driver of pools; it can be btrfs or dir", p.Driver)
	}
	if args.Size != "" {
		size, err := inventory.ParseBytes(args.Size)
		if err != nil {
			return p, err
		}
		if p.Driver != "btrfs" || p.Source != "" || size <= 0 {
			return p, inventory.Errorf(inventory.ErrInvalid,
				"a size is for a btrfs pool without a source, whose file it is; this one is as large as what it lies on")
		}
		p.Size = size
	}
	return p, s.checkSource(p)
}

// reserved are where no pool can be, whatever an administrator says.
var reserved = []string{"/proc", "/sys", "/dev", "/run", "/boot", "/etc", "/usr", "/bin", "/sbin", "/lib"}

func (s *Service) checkSource(p inventory.Pool) error {
	if p.Source == "" {
		return nil
	}
	if !filepath.IsAbs(p.Source) || filepath.Clean(p.Source) != p.Source || inventory.CheckLine("the source", p.Source) != nil {
		return inventory.Errorf(inventory.ErrInvalid, "%q can't be a pool's source; give the absolute path of an empty folder", p.Source)
	}
	for _, place := range reserved {
		if p.Source == "/" || p.Source == place || strings.HasPrefix(p.Source, place+"/") {
			return inventory.Errorf(inventory.ErrInvalid, "a pool can't be at %s, which the system needs; give it a folder of its own", p.Source)
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, e := range s.pools {
		if other := e.row.Source; other != "" && (within(other, p.Source) || within(p.Source, other)) {
			return inventory.Errorf(inventory.ErrExists, "pool %s is at %s already; give this one a folder of its own", name, other)
		}
	}
	return nil
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	row, err := s.ref(r)
	if err != nil {
		return nil, err
	}
	if row.Default {
		return nil, inventory.Errorf(inventory.ErrState,
			"pool %s is the default one; make another the default first with 'lodge pool set-default'", row.Name)
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(c *inventory.Container) bool { return c.Pool == row.Name }); i >= 0 {
		return nil, inventory.Errorf(inventory.ErrState, "pool %s is in use: %s is on it; move or purge it first",
			row.Name, all[i].Ref())
	}
	d := &gate.Draft{Effects: []inventory.EffectLine{{Field: "pool", Before: row.Name, Note: "its files are removed"}}}
	if why := s.Lost(row.Name); why != nil {
		d.Effects[0].Note = "it is lost, so its files stay where they are: " + why.Error()
		return d, nil
	}
	return d, s.checkEmpty(ctx, row.Name)
}

// checkEmpty refuses when the pool holds what nobody could bring back. Images can be.
func (s *Service) checkEmpty(ctx context.Context, name string) error {
	list, err := s.Pool(name).List(ctx)
	if err != nil {
		return err
	}
	if n := len(list.Volumes) + len(list.Snapshots); n > 0 {
		return inventory.Errorf(inventory.ErrState,
			"pool %s still holds %d volumes and snapshots; move or purge what they belong to; 'lodge move NAME --tidy' removes what a move left", name, n)
	}
	return nil
}

func (s *Service) prepareDefault(_ context.Context, r *gate.Request) (*gate.Draft, error) {
	row, err := s.ref(r)
	if err != nil {
		return nil, err
	}
	if why := s.Lost(row.Name); why != nil {
		return nil, why
	}
	return &gate.Draft{Effects: []inventory.EffectLine{{Field: "default pool", Before: s.Default(), After: row.Name,
		Effect: inventory.EffectLive, Note: "for new containers; none moves"}}}, nil
}

func (s *Service) prepareScrub(_ context.Context, r *gate.Request) (*gate.Draft, error) {
	row, err := s.ref(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.scrubber(row.Name); err != nil {
		return nil, err
	}
	return &gate.Draft{Effects: []inventory.EffectLine{{Field: "scrub", After: row.Name, Effect: inventory.EffectLive,
		Note: "everything is read once; containers are slower meanwhile"}}}, nil
}

func (s *Service) scrubber(name string) (Scrubber, error) {
	if why := s.Lost(name); why != nil {
		return nil, why
	}
	h, ok := s.Pool(name).(held)
	if scrubber, can := h.Backend.(Scrubber); ok && can {
		return scrubber, nil
	}
	return nil, inventory.Errorf(inventory.ErrState,
		"pool %s has no checksums to compare with; only a btrfs pool can be scrubbed", name)
}
