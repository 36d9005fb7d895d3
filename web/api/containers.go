package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

type containersInput struct {
	Paging
	Project string `query:"project" maxLength:"63" doc:"Only this project's; every project's when absent."`
	Prefix  string `query:"prefix" maxLength:"63" doc:"Only names that begin so."`
	Filter  string `query:"filter" maxLength:"2000" doc:"The filter language." example:"env=prod & state=running"`
	Trash   bool   `query:"trash" doc:"Those in the trash instead."`
}

type containerOutput struct {
	ETag string `header:"ETag"`
	Body wire.Container
}

// containerReads registers what looks at containers.
func (a *API) containerReads() {
	tag := "containers"
	read(a, route{id: "container.list", verb: "container.view", method: "GET",
		path: "/v1/containers", tag: tag,
		summary: "List containers by project and name"}, a.listContainers)
	read(a, route{id: "container.show", verb: "container.view", method: "GET",
		path: "/v1/containers/{name}", tag: tag,
		summary: "Show a container with its settings in force"}, a.showContainer)
	read(a, route{id: "container.history", verb: "container.view", method: "GET",
		path: "/v1/containers/{name}/history", tag: tag,
		summary: "List a container's revisions, newest first"}, a.containerHistory)
	read(a, route{id: "container.settings", verb: "container.view", method: "GET",
		path: "/v1/containers/{name}/settings", tag: tag,
		summary: "List every setting in force with its origin"}, a.containerSettings)
	read(a, route{id: "container.stats", verb: "container.view", method: "GET",
		path: "/v1/containers/{name}/stats", tag: tag,
		summary: "Measure a container"}, a.containerStats)
}

// listContainers reads on until a page is full: what the caller may not see and what the filter
// drops don't count.
func (a *API) listContainers(ctx context.Context,
	in *containersInput) (*body[wire.Page[wire.Container]], error) {
	match, err := a.compileFilter(ctx, in.Filter)
	if err != nil {
		return nil, err
	}
	after, err := in.decode(2)
	if err != nil {
		return nil, err
	}
	limit := in.limit(maxPage)
	q := ContainerQuery{Project: in.Project, Prefix: in.Prefix, Trash: in.Trash, Limit: limit + 1,
		After: inventory.Ref{Project: after[0], Name: after[1]}}
	out := wire.Page[wire.Container]{Items: make([]wire.Container, 0, min(limit, 256))}
	sizes := a.sizes()
	who, err := a.who(ctx)
	if err != nil {
		return nil, err
	}
	for {
		batch, err := a.Reads.Containers(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, c := range batch {
			if !a.sees(ctx, c) {
				continue
			}
			o := a.Observer.Observe(c)
			if !match(c, o) {
				continue
			}
			if len(out.Items) == limit {
				last := out.Items[limit-1]
				out.Next = encodeCursor(last.Project, last.Name)
				return &body[wire.Page[wire.Container]]{Body: out}, nil
			}
			w := wire.FromContainer(c, o)
			w.Orphaned = who.IsOrphaned(c)
			if w.Limits, err = sizes.of(ctx, c); err != nil {
				return nil, err
			}
			out.Items = append(out.Items, w)
		}
		if len(batch) < q.Limit {
			return &body[wire.Page[wire.Container]]{Body: out}, nil
		}
		q.After = batch[len(batch)-1].Ref()
	}
}

func (a *API) showContainer(ctx context.Context, in *struct{ Target }) (*containerOutput, error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	values, err := a.effective(ctx, c)
	if err != nil {
		return nil, err
	}
	who, err := a.who(ctx)
	if err != nil {
		return nil, err
	}
	w := wire.FromContainer(c, a.Observer.Observe(c))
	w.Orphaned = who.IsOrphaned(c)
	w.Effective, w.Limits = wire.FromValues(values), limitsOf(inventory.ValueMap(values))
	return &containerOutput{ETag: etag(c.Revision), Body: w}, nil
}

func (a *API) containerHistory(ctx context.Context,
	in *struct{ Target }) (*body[wire.Page[wire.Revision]], error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	revisions, err := a.Reads.History(ctx, c.ID)
	return page(revisions, wire.FromRevision), err
}

func (a *API) containerSettings(ctx context.Context,
	in *struct{ Target }) (*body[wire.Page[wire.Value]], error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	values, err := a.effective(ctx, c)
	return page(values, func(v inventory.Value) wire.Value { return wire.Value(v) }), err
}

func (a *API) containerStats(ctx context.Context, in *struct{ Target }) (*body[wire.Stats], error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	limits, err := a.sizes().of(ctx, c)
	return &body[wire.Stats]{Body: wire.Stats{ID: c.ID, Name: c.Name, Project: c.Project, At: a.now().UTC(),
		Observed: wire.FromObserved(a.Observer.Observe(c)), Limits: limits}}, err
}

// effective returns every setting in force on c.
func (a *API) effective(ctx context.Context, c *inventory.Container) ([]inventory.Value, error) {
	above, err := a.Settings.Layers(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	layers := append([]inventory.Layer{{Origin: "container", Values: c.Settings}}, above...)
	return a.Settings.Table().Effective(layers...), nil
}

func limitsOf(values map[string]string) wire.Limits {
	return wire.Limits{CPUs: values["cpus"], Memory: values["memory"], Disk: values["disk"],
		Processes: values["processes"]}
}

// sizes finds the limits of many containers: it asks for the layers of each project once, and
// looks up four settings where effective would list them all.
type sizes struct {
	settings Settings
	table    inventory.Settings
	layers   map[string][]inventory.Layer
}

func (a *API) sizes() *sizes {
	return &sizes{settings: a.Settings, table: a.Settings.Table(), layers: map[string][]inventory.Layer{}}
}

func (s *sizes) of(ctx context.Context, c *inventory.Container) (wire.Limits, error) {
	above, ok := s.layers[c.Project]
	if !ok {
		var err error
		if above, err = s.settings.Layers(ctx, c.Project); err != nil {
			return wire.Limits{}, err
		}
		s.layers[c.Project] = above
	}
	return wire.Limits{CPUs: s.value(c, above, "cpus"), Memory: s.value(c, above, "memory"),
		Disk: s.value(c, above, "disk"), Processes: s.value(c, above, "processes")}, nil
}

func (s *sizes) value(c *inventory.Container, above []inventory.Layer, name string) string {
	if v, ok := c.Settings[name]; ok {
		return v
	}
	for _, layer := range above {
		if v, ok := layer.Values[name]; ok {
			return v
		}
	}
	return s.table[name].Default
}

// compileFilter returns whether a container passes the filter; the empty filter passes all. The
// values in force are worked out only for a filter, since a plain list does not need them.
func (a *API) compileFilter(ctx context.Context, text string) (func(*inventory.Container,
	inventory.Observed) bool, error) {
	filter, err := a.Settings.Table().ParseFilter(text)
	if err != nil {
		return nil, err
	}
	if filter.IsEmpty() {
		return func(*inventory.Container, inventory.Observed) bool { return true }, nil
	}
	filter = filter.At(a.now())
	who, err := a.who(ctx)
	if err != nil {
		return nil, err
	}
	above := map[string][]inventory.Layer{} // by project
	return func(c *inventory.Container, o inventory.Observed) bool {
		layers, ok := above[c.Project]
		if !ok {
			if layers, err = a.Settings.Layers(ctx, c.Project); err != nil {
				a.log.Warn("a filter sees no inherited settings", "project", c.Project, "error", err)
			}
			above[c.Project] = layers
		}
		own := inventory.Layer{Origin: "container", Values: c.Settings}
		values := a.Settings.Table().Effective(append([]inventory.Layer{own}, layers...)...)
		return filter.Match(inventory.ContainerSubject{Container: c, Observed: o,
			Settings: inventory.ValueMap(values), Orphaned: who.IsOrphaned(c)})
	}, nil
}
