package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Specs says what the named containers of a project are, or all of them when none is named; those
// of every project for "". Their volumes come along.
func (c *Client) Specs(ctx context.Context, project string, names ...string) (wire.SpecPage, error) {
	q := url.Values{}
	set(q, "project", project)
	for _, name := range names {
		q.Add("name", name)
	}
	return call[wire.SpecPage](ctx, c, request{method: "GET", path: "/specs", query: q})
}

// PlanSpecs says what it takes to make everything what the specs say. Nothing is changed.
func (c *Client) PlanSpecs(ctx context.Context, specs inventory.Specs) (inventory.SpecPlan, error) {
	if specs.Containers == nil {
		specs.Containers = []inventory.Spec{}
	}
	return call[inventory.SpecPlan](ctx, c, request{method: "POST", path: "/specs/plan", body: specs})
}

// Step begins one step of a plan; the first on a container at the revision the plan was made for.
func (c *Client) Step(ctx context.Context, s inventory.SpecStep, o Options) (Answer, error) {
	ref := inventory.Ref{Project: s.Project, Name: s.Name}
	o.Revision = s.Revision
	switch s.Verb {
	case "container.launch", "container.create":
		return c.Create(ctx, *s.Create, s.Verb == "container.launch", o)
	case "container.update":
		return c.Update(ctx, ref, *s.Update, o)
	case "container.device.add":
		return c.AddDevice(ctx, ref, *s.Device, o)
	case "container.device.remove":
		return c.RemoveDevice(ctx, ref, s.Device.Name, o)
	case "container.start":
		return c.Start(ctx, ref, o)
	case "container.stop":
		return c.Stop(ctx, ref, inventory.StopArgs{}, o)
	case "volume.create":
		return c.CreateVolume(ctx, *s.Volume, o)
	case "volume.resize":
		return c.ResizeVolume(ctx, ref, s.Volume.Size, o)
	case "volume.update":
		return c.UpdateVolume(ctx, ref, *s.VolumeUpdate, o)
	}
	return Answer{}, inventory.Errorf(inventory.ErrInvalid,
		"this program doesn't know the step %s; it is older than the agent", s.Verb)
}
