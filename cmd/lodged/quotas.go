package main

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
)

// Quotas returns all quotas with what is committed of each, and what is measured beside it.
func (r reads) Quotas(ctx context.Context) ([]inventory.Quota, error) {
	all, err := r.Store.Quotas(ctx)
	if err != nil || len(all) == 0 {
		return all, err
	}
	for i := range all {
		all[i].InUse = new(int64)
	}
	containers, err := r.Store.Containers(ctx, store.ContainerQuery{Host: r.host.ID, All: true})
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		values, err := r.effective(ctx, c)
		if err != nil {
			return nil, err
		}
		used := inUse(c, r.observer.Observe(c), inventory.ValueMap(values), r.now())
		for _, q := range all {
			if q.Bounds(c.Project, c.Owner, c.Environment) {
				*q.InUse += used[q.Name]
			}
		}
	}
	return all, r.addVolumes(ctx, all)
}

// inUse is what a container has of each quota now. A mean of CPUs since the start is true without
// measuring twice.
func inUse(c *inventory.Container, o inventory.Observed, values map[string]string, now time.Time) map[string]int64 {
	used := map[string]int64{inventory.QuotaDisk: int64(o.Disk)}
	if !o.State.IsLive() {
		return used
	}
	used[inventory.QuotaContainers], used[inventory.QuotaMemory] = 1, int64(o.Memory)
	if up := now.Sub(o.StartedAt); up > time.Second {
		used[inventory.QuotaCPUs] = int64(1000 * o.CPUTime / up)
	}
	for _, nic := range c.NICs {
		if nic.IPv4.IsValid() {
			used[inventory.QuotaAddresses]++
		}
	}
	for name, setting := range map[string]string{inventory.QuotaPrivileged: "security.privileged",
		inventory.QuotaNested: "security.nesting"} {
		if values[setting] == "true" {
			used[name] = 1
		}
	}
	return used
}

// addVolumes adds what volumes hold to the disk in use of those they count for.
func (r reads) addVolumes(ctx context.Context, all []inventory.Quota) error {
	volumes, err := r.Store.Volumes(ctx, "")
	if err != nil {
		return err
	}
	for _, v := range volumes {
		attached, err := r.Store.Attachments(ctx, v.ID, false)
		if err != nil {
			return err
		}
		environments := map[inventory.Environment]bool{}
		for _, a := range attached {
			if c, err := r.Store.Container(ctx, inventory.Ref{Name: string(a.Container)}); err == nil {
				environments[c.Environment] = true
			}
		}
		used := int64(r.usedBy(ctx, v))
		for _, q := range all {
			if q.Name == inventory.QuotaDisk && (q.Bounds(v.Project, v.Owner, "") || environments[q.Environment]) {
				*q.InUse += used
			}
		}
	}
	return nil
}
