package api

import (
	"context"

	"lodge/web/wire"
)

type targetsInput struct {
	Project string `query:"project" maxLength:"63" doc:"Only this project's; every project's when absent."`
	Filter  string `query:"filter" maxLength:"2000" doc:"The filter language." example:"env=prod & state=running"`
	Port    int    `query:"port" minimum:"1" maximum:"65535" default:"9100" doc:"Where containers answer with their metrics."`
}

// inventoryRoutes are the containers in the forms of other programs.
func (a *API) inventoryRoutes() {
	read(a, route{id: "inventory.http-sd", verb: "container.view", method: "GET", path: "/v1/inventory/http-sd", tag: "inventory",
		summary: "List containers as targets of Prometheus' HTTP service discovery"}, a.targets)
}

func (a *API) targets(ctx context.Context, in *targetsInput) (*body[[]wire.TargetGroup], error) {
	out := []wire.TargetGroup{}
	q := &containersInput{Project: in.Project, Filter: in.Filter}
	for {
		page, err := a.listContainers(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, w := range page.Body.Items {
			out = append(out, wire.FromTarget(w, in.Port))
		}
		if q.Cursor = page.Body.Next; q.Cursor == "" {
			return &body[[]wire.TargetGroup]{Body: out}, nil
		}
	}
}
