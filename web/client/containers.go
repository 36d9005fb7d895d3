package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"lodge/inventory"
	"lodge/web/wire"
)

// ContainerQuery chooses containers; the zero value is all that the caller may see.
type ContainerQuery struct {
	Project string // "" for every project
	Prefix  string // of the name
	Filter  string // the filter language: "env=prod & state=running"
	Trash   bool   // those in the trash instead
	Limit   int    // of one page; 0 for the agent's choice
	Cursor  string
}

// Containers returns one page of containers, sorted by project and name.
func (c *Client) Containers(ctx context.Context, q ContainerQuery) (wire.Page[wire.Container], error) {
	v := paging(q.Limit, q.Cursor)
	set(v, "project", q.Project)
	set(v, "prefix", q.Prefix)
	set(v, "filter", q.Filter)
	if q.Trash {
		v.Set("trash", "true")
	}
	return call[wire.Page[wire.Container]](ctx, c, request{method: "GET", path: "/containers", query: v})
}

// AllContainers returns every container q chooses.
func (c *Client) AllContainers(ctx context.Context, q ContainerQuery) ([]wire.Container, error) {
	return Pages(func(cursor string) (wire.Page[wire.Container], error) {
		q.Cursor = cursor
		return c.Containers(ctx, q)
	})
}

// Container returns one container with its effective settings.
func (c *Client) Container(ctx context.Context, ref inventory.Ref) (wire.Container, error) {
	return call[wire.Container](ctx, c, on(ref, "GET", ""))
}

// Create makes a container; start launches it as well.
func (c *Client) Create(ctx context.Context, args inventory.CreateArgs, start bool,
	o Options) (Answer, error) {
	r := request{method: "POST", path: "/containers", body: args, query: url.Values{}}
	if start {
		r.query.Set("start", "true")
	}
	return c.mutate(ctx, r, o)
}

// Update changes the container's fields, labels and settings.
func (c *Client) Update(ctx context.Context, ref inventory.Ref, args inventory.UpdateArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "PATCH", ""), args), o)
}

// Delete moves the container to the trash, or purges it for good.
func (c *Client) Delete(ctx context.Context, ref inventory.Ref, purge bool, o Options) (Answer, error) {
	r := on(ref, "DELETE", "")
	if purge {
		r.query.Set("purge", "true")
	}
	return c.mutate(ctx, r, o)
}

// Start starts the container.
func (c *Client) Start(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/start"), o)
}

// Kill ends the container's init at once.
func (c *Client) Kill(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/kill"), o)
}

// Freeze stops all its processes where they are.
func (c *Client) Freeze(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/freeze"), o)
}

// Unfreeze lets a frozen container go on.
func (c *Client) Unfreeze(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/unfreeze"), o)
}

// Restore takes the container out of the trash.
func (c *Client) Restore(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/restore"), o)
}

// RestoreAs takes the container out of the trash, under another name if the parameters have one.
func (c *Client) RestoreAs(ctx context.Context, ref inventory.Ref, args inventory.RestoreArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/restore"), args), o)
}

// Purge removes the container for good, in the trash or not.
func (c *Client) Purge(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.Delete(ctx, ref, true, o)
}

// PurgeTrashed removes a container that is in the trash for good.
func (c *Client) PurgeTrashed(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/purge"), o)
}

// Stop asks init to shut down.
func (c *Client) Stop(ctx context.Context, ref inventory.Ref, args inventory.StopArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/stop"), args), o)
}

// Restart stops and starts it.
func (c *Client) Restart(ctx context.Context, ref inventory.Ref, args inventory.StopArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/restart"), args), o)
}

// Rename gives it another name.
func (c *Client) Rename(ctx context.Context, ref inventory.Ref, args inventory.RenameArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/rename"), args), o)
}

// Clone makes a new container from it.
func (c *Client) Clone(ctx context.Context, ref inventory.Ref, args inventory.CloneArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/clone"), args), o)
}

// Revert goes back to the desired state of an earlier revision.
func (c *Client) Revert(ctx context.Context, ref inventory.Ref, args inventory.RevertArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/revert"), args), o)
}

// History returns the container's revisions, newest first.
func (c *Client) History(ctx context.Context, ref inventory.Ref) ([]wire.Revision, error) {
	page, err := call[wire.Page[wire.Revision]](ctx, c, on(ref, "GET", "/history"))
	return page.Items, err
}

// ContainerSettings returns every setting in force with its origin, sorted by name.
func (c *Client) ContainerSettings(ctx context.Context, ref inventory.Ref) ([]wire.Value, error) {
	page, err := call[wire.Page[wire.Value]](ctx, c, on(ref, "GET", "/settings"))
	return page.Items, err
}

// Stats measures the container.
func (c *Client) Stats(ctx context.Context, ref inventory.Ref) (wire.Stats, error) {
	return call[wire.Stats](ctx, c, on(ref, "GET", "/stats"))
}

// Snapshots returns the container's snapshots, oldest first; with keep, what these numbers would keep.
func (c *Client) Snapshots(ctx context.Context, ref inventory.Ref, keep string) ([]wire.Snapshot, error) {
	r := on(ref, "GET", "/snapshots")
	if keep != "" {
		r.query = url.Values{"keep": {keep}}
	}
	page, err := call[wire.Page[wire.Snapshot]](ctx, c, r)
	return page.Items, err
}

// SnapshotRuns returns the runs of the container's schedule, the next and then the newest first.
func (c *Client) SnapshotRuns(ctx context.Context, ref inventory.Ref) ([]wire.Run, error) {
	page, err := call[wire.Page[wire.Run]](ctx, c, on(ref, "GET", "/snapshot-runs"))
	return page.Items, err
}

// Snapshot returns one snapshot.
func (c *Client) Snapshot(ctx context.Context, ref inventory.Ref, name string) (wire.Snapshot, error) {
	return call[wire.Snapshot](ctx, c, on(ref, "GET", "/snapshots/"+segment(name)))
}

// CreateSnapshot takes a snapshot; a name is made up when args has none.
func (c *Client) CreateSnapshot(ctx context.Context, ref inventory.Ref, args inventory.SnapshotArgs,
	o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/snapshots"), args), o)
}

// RestoreSnapshot puts the root file system back as it was.
func (c *Client) RestoreSnapshot(ctx context.Context, ref inventory.Ref, name string,
	o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "POST", "/snapshots/"+segment(name)+"/restore"), o)
}

// DeleteSnapshot removes a snapshot.
func (c *Client) DeleteSnapshot(ctx context.Context, ref inventory.Ref, name string,
	o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "DELETE", "/snapshots/"+segment(name)), o)
}

// on makes a request about one container.
func on(ref inventory.Ref, method, rest string) request {
	q := url.Values{}
	set(q, "project", ref.Project)
	return request{method: method, path: "/containers/" + segment(ref.Name) + rest, query: q,
		header: http.Header{}}
}

func with(r request, body any) request {
	r.body = body
	return r
}

func paging(limit int, cursor string) url.Values {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	set(q, "cursor", cursor)
	return q
}

// Targets returns the containers q chooses as targets of Prometheus' HTTP service discovery.
func (c *Client) Targets(ctx context.Context, q ContainerQuery, port int) ([]wire.TargetGroup, error) {
	v := url.Values{"port": {strconv.Itoa(port)}}
	set(v, "project", q.Project)
	set(v, "filter", q.Filter)
	return call[[]wire.TargetGroup](ctx, c, request{method: "GET", path: "/inventory/http-sd", query: v})
}
