package client

import (
	"context"
	"net/http"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Projects returns all projects, sorted by name.
func (c *Client) Projects(ctx context.Context) ([]wire.Project, error) {
	return all[wire.Project](ctx, c, "/projects", nil)
}

// Project returns one with what its containers inherit.
func (c *Client) Project(ctx context.Context, name string) (wire.Project, error) {
	return call[wire.Project](ctx, c, onProject("GET", name))
}

// CreateProject makes the project that args name.
func (c *Client) CreateProject(ctx context.Context, args inventory.ProjectArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/projects", body: args}, o)
}

// UpdateProject changes the project's fields, members and defaults.
func (c *Client) UpdateProject(ctx context.Context, name string, args inventory.ProjectArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(onProject("PATCH", name), args), o)
}

// DeleteProject removes a project that has no containers.
func (c *Client) DeleteProject(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, onProject("DELETE", name), o)
}

// MoveProject gives a stopped container to another project.
func (c *Client) MoveProject(ctx context.Context, ref inventory.Ref, args inventory.MoveProjectArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/move-project"), args), o)
}

// Quotas returns the quotas of a project, or all for "".
func (c *Client) Quotas(ctx context.Context, project string) ([]wire.Quota, error) {
	return c.QuotasOf(ctx, inventory.QuotaHolder{Project: project})
}

// QuotasOf returns the quotas of a holder, or all for the zero one.
func (c *Client) QuotasOf(ctx context.Context, h inventory.QuotaHolder) ([]wire.Quota, error) {
	q := url.Values{}
	set(q, "project", h.Project)
	set(q, "owner", h.Owner)
	set(q, "environment", string(h.Environment))
	return all[wire.Quota](ctx, c, "/quotas", q)
}

// SetQuotas changes the quotas of a project, or of the whole host.
func (c *Client) SetQuotas(ctx context.Context, args inventory.QuotaArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "PATCH", path: "/quotas", body: args}, o)
}

func onProject(method, name string) request {
	return request{method: method, path: "/projects/" + segment(name), header: http.Header{}}
}
