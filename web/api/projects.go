package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// ProjectReads find projects and quotas.
type ProjectReads interface {
	// Projects returns all, by name.
	Projects(ctx context.Context) ([]inventory.Project, error)
	// Project finds one by name; ErrNotFound if there is none.
	Project(ctx context.Context, name string) (inventory.Project, error)
	// Quotas returns all with what is used of each, by project and name.
	Quotas(ctx context.Context) ([]inventory.Quota, error)
}

// ProjectName is the last part of a project's path.
type ProjectName struct {
	Project string `path:"project" maxLength:"63" doc:"Name of the project."`
}

type projectOutput struct {
	ETag string `header:"ETag"`
	Body wire.Project
}

type projectUpdate struct {
	ProjectName
	Options
	Body *inventory.ProjectArgs
}

func (in *projectUpdate) asked() asked {
	args := inventory.ProjectArgs{}
	if in.Body != nil {
		args = *in.Body
	}
	args.Name = in.Project
	return asked{args: args, options: in.Options}
}

type projectDelete struct {
	ProjectName
	Options
}

func (in *projectDelete) asked() asked {
	return asked{args: inventory.ProjectDeleteArgs{Name: in.Project}, options: in.Options}
}

type quotasInput struct {
	Project     string `query:"project" maxLength:"63" doc:"Only this project's; everybody's when absent."`
	Owner       string `query:"owner" maxLength:"255" doc:"Only this owner's."`
	Environment string `query:"environment" maxLength:"63" doc:"Only this environment's."`
}

func (a *API) projectRoutes() {
	at := routesBelow("/v1/projects", "projects")
	read(a, at("project.list", "project.view", "GET", "", "List projects"), a.listProjects)
	read(a, at("project.show", "project.view", "GET", "/{project}",
		"Show a project with what its containers inherit"), a.showProject)
	mutate[onHost[inventory.ProjectArgs]](a, at("project.create", "", "POST", "", "Create a project"),
		true, nil)
	mutate[projectUpdate](a, at("project.update", "", "PATCH", "/{project}",
		"Change a project's fields, members and defaults"), true, nil)
	mutate[projectDelete](a, at("project.delete", "", "DELETE", "/{project}",
		"Remove a project without containers"), false, nil)
	read(a, route{id: "quota.list", verb: "quota.view", method: "GET", path: "/v1/quotas", tag: "projects",
		summary: "List quotas with what is committed and in use of each"}, a.listQuotas)
	mutate[onHost[inventory.QuotaArgs]](a, route{verb: "quota.set", method: "PATCH", path: "/v1/quotas",
		tag: "projects", summary: "Change the quotas of a project, an owner, an environment, or the whole host"}, true, nil)
}

func (a *API) listProjects(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Project]], error) {
	if err := a.enter(ctx, "project.view"); err != nil {
		return nil, err
	}
	all, err := a.Reads.Projects(ctx)
	if err != nil {
		return nil, err
	}
	quotas, err := a.Reads.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := a.Reads.Containers(ctx, ContainerQuery{})
	if err != nil {
		return nil, err
	}
	all = only(all, func(p inventory.Project) bool { return a.seesProject(ctx, p.Name) })
	return page(all, func(p inventory.Project) wire.Project {
		return a.projectWith(ctx, p, quotas, containers)
	}), nil
}

// projectWith adds to a project what is counted.
func (a *API) projectWith(ctx context.Context, p inventory.Project, quotas []inventory.Quota,
	containers []*inventory.Container) wire.Project {
	w := wire.FromProject(p)
	for _, q := range quotas {
		if q.Project == p.Name {
			w.Quotas = append(w.Quotas, wire.FromQuota(q))
		}
	}
	for _, c := range containers {
		if c.Project == p.Name && a.sees(ctx, c) {
			w.Containers++
		}
	}
	return w
}

func (a *API) showProject(ctx context.Context, in *ProjectName) (*projectOutput, error) {
	if err := a.enter(ctx, "project.view"); err != nil {
		return nil, err
	}
	p, err := a.Reads.Project(ctx, in.Project)
	if err == nil && !a.seesProject(ctx, p.Name) {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no project %s", in.Project)
	}
	if err != nil {
		return nil, err
	}
	quotas, err := a.Reads.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := a.Reads.Containers(ctx, ContainerQuery{Project: p.Name})
	if err != nil {
		return nil, err
	}
	layers, err := a.Settings.Layers(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	w := a.projectWith(ctx, p, quotas, containers)
	w.Effective = wire.FromValues(a.Settings.Table().InForce(inventory.ScopeProject, layers...))
	return &projectOutput{ETag: etag(p.Revision), Body: w}, nil
}

func (a *API) listQuotas(ctx context.Context, in *quotasInput) (*body[wire.Page[wire.Quota]], error) {
	if err := a.enter(ctx, "quota.view"); err != nil {
		return nil, err
	}
	all, err := a.Reads.Quotas(ctx)
	chosen := make([]inventory.Quota, 0, len(all))
	for _, q := range all {
		if a.seesQuota(ctx, q) && (in.Project == "" || q.Project == in.Project) && (in.Owner == "" || q.Owner == in.Owner) &&
			(in.Environment == "" || string(q.Environment) == in.Environment) {
			chosen = append(chosen, q)
		}
	}
	return page(chosen, wire.FromQuota), err
}

// seesQuota reports whether the caller may see what the quota bounds: a project, their own, or the host.
func (a *API) seesQuota(ctx context.Context, q inventory.Quota) bool {
	p, _ := inventory.PrincipalFrom(ctx)
	return a.sees(ctx, nil) || q.Owner != "" && q.Owner == p.Name ||
		q.Project != "" && q.Project != inventory.WholeHost && a.seesProject(ctx, q.Project)
}
