package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/pool"
	"lodge/manager/storage/btrfs"
	"lodge/manager/storage/dir"
	"lodge/web/wire"
)

// openPools opens the pools of this host. On a new root the first one is made, as the configuration
// says.
func (a *Agent) openPools(ctx context.Context) error {
	first := inventory.Pool{Name: inventory.DefaultPool, HostID: a.host.ID, Driver: a.PoolDriver,
		Source: a.PoolDir, CreatedAt: a.now().UTC()}
	if a.PoolSize != "" {
		size, err := inventory.ParseBytes(a.PoolSize)
		if err != nil {
			return err
		}
		first.Size = size
	}
	a.pools = pool.New(pool.Config{Host: a.host.ID, Store: a.store, Drivers: a.drivers(), Log: a.log, Now: a.now})
	a.onClose(a.pools.Close)
	return a.pools.Open(ctx, first)
}

// drivers are the kinds of pools there are.
func (a *Agent) drivers() map[string]pool.Driver {
	return map[string]pool.Driver{
		"btrfs": func(ctx context.Context, p inventory.Pool, fresh bool) (pool.Backend, error) {
			b, err := btrfs.Open(ctx, btrfs.Config{Root: a.Root, Name: p.Name, Dir: p.Source, Size: p.Size,
				Known: !fresh, Log: a.log})
			if err != nil {
				return nil, err
			}
			return b, nil
		},
		"dir": func(ctx context.Context, p inventory.Pool, fresh bool) (pool.Backend, error) {
			d, err := dir.Open(ctx, dir.Config{Root: a.Root, Name: p.Name, Dir: p.Source, Known: !fresh,
				Freezer: a.freezer(), Log: a.log})
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}

// freezer stops containers while a pool copies their roots. While the agent opens there is none: then
// no copy is made.
func (a *Agent) freezer() dir.Freezer {
	if a.store == nil {
		return nil
	}
	return freezer{a}
}

type freezer struct{ *Agent }

func (f freezer) find(ctx context.Context, id string) (*inventory.Container, error) {
	return f.store.Container(ctx, inventory.Ref{Name: id})
}

// Runs is false for a container that is frozen already: it writes nothing, and stays as it is.
func (f freezer) Runs(id string) bool {
	if f.runtime == nil {
		return false
	}
	c, err := f.find(context.Background(), id)
	return err == nil && f.runtime.State(c) == inventory.StateRunning
}

func (f freezer) Freeze(ctx context.Context, id string) error {
	c, err := f.find(ctx, id)
	if err != nil {
		return err
	}
	return f.runtime.Freeze(ctx, c)
}

func (f freezer) Thaw(ctx context.Context, id string) error {
	c, err := f.find(ctx, id)
	if errors.Is(err, inventory.ErrNotFound) {
		return nil
	}
	if err != nil || !f.runtime.State(c).IsLive() {
		return err
	}
	return f.runtime.Unfreeze(ctx, c)
}

// releasePools unmounts every pool of a root whose agent doesn't run. One that can't be opened has
// nothing mounted.
func releasePools(ctx context.Context, cfg Config, log *slog.Logger) error {
	a := &Agent{Config: cfg, log: log, now: time.Now}
	path := filepath.Join(cfg.Root, "lodge.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := store.Open(ctx, store.Config{Path: path, Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.EnsureHost(ctx, machineID(), hostName()); err != nil {
		return err
	}
	all, err := s.Pools(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, row := range all {
		backend, err := a.drivers()[row.Driver](ctx, row, false)
		if err != nil {
			log.Warn("a pool is not there to be released", "pool", row.Name, "error", err)
			continue
		}
		if d, ok := backend.(pool.Detacher); ok {
			err = d.Detach()
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// Pools describes the pools, those that are lost among them.
func (r reads) Pools(ctx context.Context) ([]wire.Pool, error) {
	all, err := r.Store.Pools(ctx)
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	containers, err := r.Store.ContainersOnHost(ctx, r.host.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		used[c.Pool]++
	}
	out := make([]wire.Pool, len(all))
	for i, row := range all {
		out[i] = r.describe(ctx, row)
		out[i].Containers = used[row.Name]
	}
	return out, nil
}

func (r reads) describe(ctx context.Context, row inventory.Pool) wire.Pool {
	w := wire.FromPool(row)
	p := r.pools.Pool(row.Name)
	room, err := p.Free(ctx)
	if err == nil {
		err = r.pools.Lost(row.Name)
	}
	if err != nil {
		w.State, w.Warnings = "lost", []string{err.Error()}
		return w
	}
	w.State, w.Path, w.Warnings = "ready", p.Base(), append(w.Warnings, room.Warnings...)
	w.SizeBytes, w.FreeBytes, w.UsedBytes = int64(room.Total), int64(room.Free), int64(room.Total-room.Free)
	w.HostFreeBytes, w.MetadataFreeBytes = int64(room.HostFree), int64(room.MetadataFree)
	w.UnallocatedBytes, w.DeviceErrors = int64(room.Unallocated), int64(min(room.DeviceErrors, 1<<62))
	w.SizesEnforced, w.SizesOnRequest, w.SnapshotsCounted = room.Enforced, room.OnRequest, room.SnapshotsCounted
	if list, err := p.List(ctx); err == nil {
		w.Images, w.Snapshots = len(list.Images), len(list.Snapshots)
	}
	return w
}
