package apitest

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/wire"
)

// reads are the world's read models.
type reads struct{ *World }

func (w reads) Containers(ctx context.Context, q api.ContainerQuery) ([]*inventory.Container, error) {
	after := q.After.Project + "\x00" + q.After.Name
	all := w.sorted(func(c *inventory.Container) bool {
		return (q.Project == "" || c.Project == q.Project) && strings.HasPrefix(c.Name, q.Prefix) &&
			c.IsTrashed() == q.Trash && (q.After.Name == "" || c.Project+"\x00"+c.Name > after)
	})
	return first(all, q.Limit), nil
}

func (w reads) History(ctx context.Context, id inventory.ContainerID) ([]inventory.Revision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.history[id])
	slices.Reverse(all)
	return all, nil
}

func (w reads) Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.snapshots[id]), nil
}

func (w reads) Operations(ctx context.Context, q api.OperationQuery) ([]inventory.Operation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []inventory.Operation
	for _, f := range w.operations {
		if (q.State == "" || f.op.State == q.State) && (q.Verb == "" || f.op.Verb == q.Verb) && (q.Before == "" || f.op.ID < q.Before) {
			all = append(all, f.op)
		}
	}
	slices.SortFunc(all, func(a, b inventory.Operation) int {
		return strings.Compare(string(b.ID),
			string(a.ID))
	})
	return first(all, q.Limit), nil
}

// Operation returns one operation.
func (w *World) Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error) {
	f := w.flight(id)
	if f == nil {
		return inventory.Operation{}, inventory.Errorf(inventory.ErrNotFound,
			"there is no operation %s", id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return f.op, nil
}

func (w reads) Changes(ctx context.Context, q api.ChangeQuery) ([]inventory.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []inventory.Change
	for _, c := range w.changes {
		if (len(q.States) == 0 || slices.Contains(q.States, c.State)) && (q.Before == "" || c.ID < q.Before) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b inventory.Change) int {
		return strings.Compare(string(b.ID),
			string(a.ID))
	})
	return first(all, q.Limit), nil
}

func (w reads) Change(ctx context.Context, id inventory.ChangeID) (inventory.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		if c.ID == id || c.Label() == string(id) {
			return c, nil
		}
	}
	return inventory.Change{}, inventory.Errorf(inventory.ErrNotFound, "there is no change %s", id)
}

func (w reads) Deadlines(ctx context.Context, q api.DeadlineQuery) ([]inventory.Deadline, error) {
	return []inventory.Deadline{{ID: "d1", Due: start, Verb: "container.purge",
		Missed: inventory.MissedRun}}, nil
}

func (w reads) Windows(context.Context) ([]inventory.Window, error) { return nil, nil }

func (w reads) FirewallRules(context.Context) ([]wire.FirewallRule, error) { return nil, nil }

func (w reads) TestFirewall(context.Context, inventory.FirewallArgs) (wire.FirewallVerdict, error) {
	return wire.FirewallVerdict{Allowed: true, Why: "a test says so"}, nil
}

func (w reads) FirewallLog(context.Context) ([]wire.FirewallDrop, error) { return nil, nil }

func (w reads) ForwardList(context.Context) ([]wire.Forward, error) { return nil, nil }

func (w reads) Affinities(context.Context) ([]wire.Affinity, error) { return nil, nil }

func (w reads) Reservations(context.Context, string) ([]inventory.AddressReservation, error) {
	return nil, nil
}

func (w reads) DNSRecords(context.Context) ([]inventory.DNSRecord, error) { return nil, nil }

func (w reads) Strays(context.Context) ([]inventory.Stray, error) { return nil, nil }

func (w reads) Host(ctx context.Context) (wire.Host, error) {
	return wire.Host{ID: "h1", Name: "test", CreatedAt: start}, nil
}

func (w reads) Networks(ctx context.Context) ([]inventory.Network, error) {
	return []inventory.Network{{Name: "lodge0", Bridge: "lodge0",
		IPv4: netip.MustParsePrefix("10.86.0.1/24"), NAT: true}}, nil
}

func (w reads) Addresses(ctx context.Context, q api.AddressQuery) ([]inventory.Address, error) {
	var all []inventory.Address
	for _, c := range w.sorted(func(*inventory.Container) bool { return true }) {
		for _, n := range c.NICs {
			if q.IP == "" || n.IPv4.String() == q.IP {
				all = append(all, inventory.Address{Network: n.Network, IP: n.IPv4, Container: c.ID,
					Name: c.Name, Project: c.Project, From: start})
			}
		}
	}
	return all, nil
}

func (w reads) Pools(ctx context.Context) ([]wire.Pool, error) {
	return []wire.Pool{{Name: "default", Driver: "memory", SizeBytes: 1 << 30, FreeBytes: 1 << 30}}, nil
}

func (w reads) Images(ctx context.Context) ([]inventory.Image, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.images), nil
}

func (w reads) Image(ctx context.Context, name string) (inventory.Image, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.image(name)
}

func (w reads) Remotes(ctx context.Context) ([]inventory.Remote, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.remotes), nil
}

// image finds an image; w.mu is held.
func (w *World) image(name string) (inventory.Image, error) {
	for _, i := range w.images {
		if i.Digest == name || slices.Contains(i.Aliases, name) {
			return i, nil
		}
	}
	return inventory.Image{}, inventory.Errorf(inventory.ErrNotFound,
		"there is no image %s; 'lodge image list' shows them all", name)
}

func (w reads) Events(ctx context.Context, after int64, limit int) ([]inventory.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return first(slices.Clone(w.events[min(int(after), len(w.events)):]), limit), nil
}

func (w reads) LastEvent(ctx context.Context) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.events)), nil
}

func (w reads) AwaitEvent(ctx context.Context, after int64) error {
	return w.until(ctx, func() bool { return int64(len(w.events)) > after })
}

func first[T any](all []T, limit int) []T {
	if limit > 0 && len(all) > limit {
		return all[:limit]
	}
	return all
}
