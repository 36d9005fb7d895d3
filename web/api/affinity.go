package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

type affinityMutation struct {
	App string `path:"app" maxLength:"63" doc:"The value of the label app."`
	Options
	Body *Nothing
}

func (in *affinityMutation) asked() asked {
	return asked{args: inventory.AffinityNameArgs{App: in.App}, options: in.Options}
}

func (a *API) affinityRoutes() {
	tag := "affinity"
	read(a, route{id: "affinity.list", verb: "affinity.view", method: "GET", path: "/v1/affinities", tag: tag,
		summary: "List affinities with what breaks them now"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Affinity]], error) {
			if err := a.enter(ctx, "affinity.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.Affinities(ctx)
			return page(all, func(w wire.Affinity) wire.Affinity { return w }), err
		})
	mutate[onHost[inventory.AffinityArgs]](a, route{id: "affinity.add", method: "POST", path: "/v1/affinities",
		tag: tag, summary: "Say which containers of an application may not, or have to, share a host"}, true, nil)
	mutate[affinityMutation](a, route{id: "affinity.remove", method: "DELETE", path: "/v1/affinities/{app}",
		tag: tag, summary: "Remove an application's affinity"}, false, nil)
}
