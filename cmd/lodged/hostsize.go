package main

import (
	"context"
	"runtime"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// hostSize is what the host has to give of CPUs and memory; the room is the pools'.
func (a *Agent) hostSize(context.Context) (gate.Reservation, error) {
	size := gate.Reservation{CPUs: float64(runtime.NumCPU())}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return size, err
	}
	size.Memory = inventory.Bytes(info.Totalram) * inventory.Bytes(info.Unit)
	return size, nil
}

// capacity is the host's capacity with what is in use of it: memory of what runs, and the pools.
func (a *Agent) capacity(ctx context.Context) ([]wire.Capacity, error) {
	all, err := a.container.Capacity(ctx)
	if err != nil {
		return nil, err
	}
	memory := float64(0)
	running, err := a.running(ctx)
	for _, c := range running {
		memory += float64(a.runtime.Observe(c).Memory)
	}
	out := make([]wire.Capacity, 0, len(all))
	for _, c := range all {
		w := wire.Capacity{Resource: c.Resource, Pool: c.Pool, Total: c.Total, Reserved: c.Reserved, Given: c.Given,
			Ratio: c.Ratio(), Guaranteed: c.Guaranteed,
			Most: c.Most, Keepable: c.Keepable()}
		switch c.Resource {
		case "memory":
			w.InUse = &memory
		case "disk":
			if room, err := a.pools.Pool(c.Pool).Free(ctx); err == nil { // else it was lost this moment
				used := float64(room.Total - room.Free)
				w.InUse = &used
			}
		}
		if left, bounded := c.Left(); bounded {
			w.Left = &left
		}
		out = append(out, w)
	}
	return out, err
}
