package api

import (
	"context"
	"slices"

	"lodge/inventory"
	"lodge/web/wire"
)

// PoolName is the part of a path that names a pool.
type PoolName struct {
	Pool string `path:"pool" maxLength:"63"`
}

type poolMutation struct {
	PoolName
	Options
	Body *Nothing
}

func (in *poolMutation) asked() asked {
	return asked{args: inventory.PoolRef{Name: in.Pool}, options: in.Options}
}

func (a *API) poolRoutes() {
	at := func(id, method, rest, summary string) route {
		return route{id: id, method: method, path: "/v1/pools" + rest, summary: summary, tag: "pools"}
	}
	list := at("pool.list", "GET", "", "List pools with their room and health")
	show := at("pool.show", "GET", "/{pool}", "Show one pool")
	list.verb, show.verb = "pool.view", "pool.view"
	read(a, list, func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Pool]], error) {
		if err := a.enter(ctx, "pool.view"); err != nil {
			return nil, err
		}
		all, err := a.Reads.Pools(ctx)
		return page(all, func(p wire.Pool) wire.Pool { return p }), err
	})
	read(a, show, a.showPool)
	mutate[onHost[inventory.PoolArgs]](a, at("pool.create", "POST", "", "Make a pool"), true, nil)
	mutate[poolMutation](a, at("pool.delete", "DELETE", "/{pool}", "Remove a pool nothing is on"), false, nil)
	mutate[poolMutation](a, at("pool.set-default", "POST", "/{pool}/default",
		"Make a pool the one new containers come to"), false, nil)
	mutate[poolMutation](a, at("pool.scrub", "POST", "/{pool}/scrub",
		"Compare everything in a pool with its checksums"), false, nil)
}

func (a *API) showPool(ctx context.Context, in *PoolName) (*body[wire.Pool], error) {
	if err := a.enter(ctx, "pool.view"); err != nil {
		return nil, err
	}
	all, err := a.Reads.Pools(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(p wire.Pool) bool { return p.Name == in.Pool })
	if i < 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no pool %s; 'lodge pool list' shows them", in.Pool)
	}
	return &body[wire.Pool]{Body: all[i]}, nil
}
