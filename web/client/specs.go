package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Specs says what the named containers of a project are, or all of them when none is named; those
// of every project for "".
func (c *Client) Specs(ctx context.Context, project string, names ...string) ([]wire.ContainerSpec, error) {
	q := url.Values{}
	set(q, "project", project)
	for _, name := range names {
		q.Add("name", name)
	}
	return all[wire.ContainerSpec](ctx, c, "/specs", q)
}

// PlanSpecs says what it takes to make containers what the specs say. Nothing is changed.
func (c *Client) PlanSpecs(ctx context.Context, specs []inventory.Spec) (inventory.SpecPlan, error) {
	if specs == nil {
		specs = []inventory.Spec{}
	}
	return call[inventory.SpecPlan](ctx, c, request{method: "POST", path: "/specs/plan",
		body: map[string]any{"specs": specs}})
}

// Step begins one step of a plan, at the revision the plan was made for.
func (c *Client) Step(ctx context.Context, s inventory.SpecStep, o Options) (Answer, error) {
	ref := inventory.Ref{Project: s.Project, Name: s.Name}
	switch {
	case s.Create != nil:
		return c.Create(ctx, *s.Create, s.Verb == "container.launch", o)
	case s.Update != nil:
		o.Revision = s.Revision
		return c.Update(ctx, ref, *s.Update, o)
	case s.Verb == "container.start":
		return c.Start(ctx, ref, o)
	case s.Verb == "container.stop":
		return c.Stop(ctx, ref, inventory.StopArgs{}, o)
	}
	return Answer{}, inventory.Errorf(inventory.ErrInvalid,
		"this program doesn't know the step %s; it is older than the agent", s.Verb)
}
