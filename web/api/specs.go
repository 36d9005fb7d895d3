package api

import (
	"context"
	"slices"

	"lodge/inventory"
	"lodge/web/wire"
)

// maxSpecs bounds a request with specs: some ten thousand containers.
const maxSpecs = 16 << 20

type specsInput struct {
	Project string   `query:"project" maxLength:"63" doc:"Only this project's; every project's when absent."`
	Name    []string `query:"name,explode" doc:"Only these containers of the project; may be repeated."`
}

type specPlanInput struct {
	Body inventory.Specs
}

// specRoutes registers what compares specs with containers. Nothing is changed here: the steps of a
// plan are ordinary operations, which whoever asked for it begins one after another, each under its
// own right and policies.
func (a *API) specRoutes() {
	read(a, route{id: "spec.list", verb: "container.view", method: "GET", path: "/v1/specs", tag: "specs",
		summary: "Say what containers and their volumes are, as specs"}, a.listSpecs)
	read(a, route{id: "spec.plan", verb: "container.view", method: "POST", bytes: maxSpecs, path: "/v1/specs/plan", tag: "specs",
		summary: "Say what it takes to make volumes and containers what specs say"}, a.planSpecs)
}

// estate is everything of the inventory that the caller may see.
func (a *API) estate(ctx context.Context) (inventory.Estate, error) {
	e := inventory.Estate{Settings: a.Settings.Table(), DeviceTypes: a.Settings.DeviceTypes()}
	var err error
	if e.Volumes, err = a.Reads.Volumes(ctx, ""); err != nil {
		return e, err
	}
	if e.Projects, err = a.Reads.Projects(ctx); err != nil {
		return e, err
	}
	e.Volumes = only(e.Volumes, func(v inventory.Volume) bool { return a.seesProject(ctx, v.Project) })
	for _, trash := range []bool{false, true} {
		all, err := a.Reads.Containers(ctx, ContainerQuery{Trash: trash})
		if err != nil {
			return e, err
		}
		for _, c := range all {
			if a.sees(ctx, c) {
				e.Containers = append(e.Containers, c)
			}
		}
	}
	return e, nil
}

func (a *API) listSpecs(ctx context.Context, in *specsInput) (*body[wire.SpecPage], error) {
	e, err := a.estate(ctx)
	if err != nil {
		return nil, err
	}
	chosen := []wire.ContainerSpec{}
	for _, c := range e.Containers { // by project and name
		if c.IsTrashed() || in.Project != "" && c.Project != in.Project ||
			len(in.Name) > 0 && !slices.Contains(in.Name, c.Name) {
			continue
		}
		chosen = append(chosen, wire.ContainerSpec{Spec: e.SpecOf(c), Revision: c.Revision})
	}
	for _, name := range in.Name {
		if !slices.ContainsFunc(chosen, func(s wire.ContainerSpec) bool { return s.Spec.Name == name }) {
			return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s",
				inventory.Ref{Project: in.Project, Name: name})
		}
	}
	var specs []inventory.Spec
	for _, s := range chosen {
		specs = append(specs, s.Spec)
	}
	return &body[wire.SpecPage]{Body: wire.SpecPage{Items: chosen,
		Volumes: e.VolumeSpecs(in.Project, len(in.Name) == 0, specs)}}, nil
}

func (a *API) planSpecs(ctx context.Context, in *specPlanInput) (*body[inventory.SpecPlan], error) {
	e, err := a.estate(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := e.Plan(in.Body)
	return &body[inventory.SpecPlan]{Body: plan}, err
}
