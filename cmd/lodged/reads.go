package main

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/affinity"
	"lodge/manager/firewall"
	"lodge/manager/pool"
	"lodge/network"
	"lodge/web/api"
	"lodge/web/wire"
)

// reads shows the store to the API door in the door's own words.
type reads struct {
	*store.Store
	host     inventory.Host
	root     string
	pools    *pool.Service
	observer api.Observer
	facts    map[string]string
	capacity func(context.Context) ([]wire.Capacity, error)
	strays   func(context.Context) ([]inventory.Stray, error)
	liblxc   func() string // its version; asked for once, when somebody wants to know
	affinity *affinity.Service
	firewall *firewall.Service
	drops    func() []network.Drop
	hostWay  func() network.HostWay
	sshDoor  func() *wire.SSHDoor
	now      func() time.Time
	// effective are the settings in force for a container.
	effective func(context.Context, *inventory.Container) ([]inventory.Value, error)
}

// Affinities are all rules about sharing a host, with what breaks them.
func (r reads) Affinities(ctx context.Context) ([]wire.Affinity, error) {
	all, err := r.affinity.Standings(ctx)
	out := make([]wire.Affinity, len(all))
	for i, s := range all {
		out[i] = wire.FromAffinity(s.Affinity, s.Violations)
	}
	return out, err
}

// DNSRecords are the records that were added.
func (r reads) DNSRecords(ctx context.Context) ([]inventory.DNSRecord, error) {
	return r.Store.DNSRecords(ctx)
}

// Strays are what does not fit the inventory.
func (r reads) Strays(ctx context.Context) ([]inventory.Stray, error) { return r.strays(ctx) }

// Containers returns a page; the whole list of a host is small, so paging is done here.
func (r reads) Containers(ctx context.Context, q api.ContainerQuery) ([]*inventory.Container, error) {
	all, err := r.Store.Containers(ctx, store.ContainerQuery{Project: q.Project, Trashed: q.Trash})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c *inventory.Container) bool {
		return !strings.HasPrefix(c.Name,
			q.Prefix) || c.IsTrashed() != q.Trash || q.After.Name != "" && !comesAfter(c, q.After)
	})
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
	}
	return all, nil
}

func comesAfter(c *inventory.Container, ref inventory.Ref) bool {
	if c.Project != ref.Project {
		return c.Project > ref.Project
	}
	return c.Name > ref.Name
}

func (r reads) Operations(ctx context.Context, q api.OperationQuery) ([]inventory.Operation, error) {
	return r.Store.Operations(ctx, store.OperationQuery{State: string(q.State), Container: q.Container,
		Project: q.Project, Verb: q.Verb, After: q.Before, Limit: q.Limit})
}

func (r reads) Changes(ctx context.Context, q api.ChangeQuery) ([]inventory.Change, error) {
	return r.Store.Changes(ctx, store.ChangeQuery{States: q.States, Class: q.Class, OrReviews: q.Reviews, After: q.Before, Limit: q.Limit})
}

func (r reads) Deadlines(ctx context.Context, q api.DeadlineQuery) ([]inventory.Deadline, error) {
	all, err := r.Store.Deadlines(ctx, store.DeadlineQuery{Container: q.Container, Waiting: !q.Done})
	if q.Done {
		all = slices.DeleteFunc(all, func(d inventory.Deadline) bool { return d.Done.IsZero() })
	}
	return all, err
}

func (r reads) Addresses(ctx context.Context, q api.AddressQuery) ([]inventory.Address, error) {
	sq := store.AddressQuery{Network: q.Network, Container: q.Container, Held: !q.History}
	if q.IP != "" {
		ip, err := netip.ParseAddr(q.IP)
		if err != nil {
			return nil, inventory.Errorf(inventory.ErrInvalid, "%q is no address", q.IP)
		}
		sq.IP, sq.Held = ip, false
	}
	return r.Store.Addresses(ctx, sq)
}

// Host describes the machine and what runs on it.
func (r reads) Host(ctx context.Context) (wire.Host, error) {
	h := wire.Host{ID: r.host.ID, Name: r.host.Name, MachineID: r.host.MachineID,
		CreatedAt:    r.host.CreatedAt.UTC(),
		Architecture: runtime.GOARCH, CPUs: runtime.NumCPU(), Root: r.root, LXC: r.liblxc(), Cgroup: r.facts["cgroup"], Facts: maps.Clone(r.facts)}
	h.SSH = r.sshDoor()
	names := r.hostWay()
	h.Facts["names"] = names.Way
	if names.Trouble != "" {
		h.Facts["names.trouble"] = names.Trouble
	}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		h.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.MemoryBytes = int64(info.Totalram) * int64(info.Unit)
	}
	all, err := r.Store.Containers(ctx, store.ContainerQuery{})
	for _, c := range all {
		h.Containers++
		if r.observer.Observe(c).State.IsLive() {
			h.Running++
		}
	}
	if err == nil {
		h.Capacity, err = r.capacity(ctx)
	}
	return h, err
}

// AwaitEvent returns when there is an event numbered above after.
func (r reads) AwaitEvent(ctx context.Context, after int64) error {
	poked, stop := r.Store.Subscribe()
	defer stop()
	for {
		last, err := r.LastEvent(ctx)
		if err != nil || last > after {
			return err
		}
		select {
		case <-poked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settings shows the table of settings and what is set above the containers.
type settings struct {
	table   inventory.Settings
	devices inventory.DeviceTypes
	store   *store.Store
}

func (s settings) Table() inventory.Settings { return s.table }

func (s settings) DeviceTypes() inventory.DeviceTypes { return s.devices }

func (s settings) Host(ctx context.Context) (map[string]string, error) {
	values, err := s.store.HostSettings(ctx)
	return values, err
}

// Layers returns what is set above the containers of a project; a project that is gone sets nothing.
func (s settings) Layers(ctx context.Context, project string) ([]inventory.Layer, error) {
	p, err := s.store.Project(ctx, project)
	if errors.Is(err, inventory.ErrNotFound) {
		p.Name, err = project, nil
	}
	if err != nil {
		return nil, err
	}
	values, err := s.Host(ctx)
	return []inventory.Layer{p.Layer(), {Origin: "host", Values: values}}, err
}
