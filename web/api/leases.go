package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// LeaseReads say what leases have said.
type LeaseReads interface {
	// LeaseWarnings returns what the present lease of a container has said, the newest first.
	LeaseWarnings(ctx context.Context, id inventory.ContainerID) ([]inventory.LeaseWarning, error)
}

type leaseClear struct {
	Target
	Clock string `query:"clock" enum:"run,keep" doc:"Only this one; both when absent."`
	Options
}

func (in *leaseClear) asked() asked {
	return asked{ref: in.ref(), options: in.Options,
		args: inventory.LeaseClearArgs{Run: in.Clock == string(inventory.ClockRun), Keep: in.Clock == string(inventory.ClockKeep)}}
}

func (a *API) leaseRoutes() {
	at := routesBelow("/v1/containers/{name}/lease", "leases")
	read(a, at("lease.show", "container.view", "GET", "", "Show how long a container may run and is kept"), a.showLease)
	mutate[onContainer[inventory.LeaseArgs]](a, at("lease.set", "", "PUT", "", "Set until when a container may run or is kept"), true, nil)
	mutate[onContainer[inventory.LeaseArgs]](a, at("lease.extend", "", "POST", "/extend", "Let a container run or be kept for longer; without a body as long as the rules allow"), false, nil)
	mutate[leaseClear](a, at("lease.clear", "", "DELETE", "", "Take the ends of a lease away"), false, nil)
}

func (a *API) showLease(ctx context.Context, in *struct{ Target }) (*body[wire.Lease], error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	layers, err := a.Settings.Layers(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	rules, err := inventory.LeaseRulesOf(inventory.ValueMap(a.Settings.Table().InForce(inventory.ScopeProject, layers...)))
	if err != nil {
		return nil, err
	}
	given, err := a.Reads.LeaseWarnings(ctx, c.ID)
	return &body[wire.Lease]{Body: wire.FromLease(c, rules, given, a.now())}, err
}
