package client

import (
	"context"
	"net/http"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Devices returns the container's devices, by name.
func (c *Client) Devices(ctx context.Context, ref inventory.Ref) ([]wire.ContainerDevice, error) {
	page, err := call[wire.Page[wire.ContainerDevice]](ctx, c, on(ref, "GET", "/devices"))
	return page.Items, err
}

// AddDevice gives the container a device.
func (c *Client) AddDevice(ctx context.Context, ref inventory.Ref, d inventory.Device, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/devices"), d), o)
}

// RemoveDevice takes a device away from the container.
func (c *Client) RemoveDevice(ctx context.Context, ref inventory.Ref, name string, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "DELETE", "/devices/"+segment(name)), o)
}

// Attach attaches a volume to the container.
func (c *Client) Attach(ctx context.Context, ref inventory.Ref, args inventory.AttachArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/volumes"), args), o)
}

// Detach detaches a volume from the container.
func (c *Client) Detach(ctx context.Context, ref inventory.Ref, volume string, o Options) (Answer, error) {
	return c.mutate(ctx, on(ref, "DELETE", "/volumes/"+segment(volume)), o)
}

// MoveVolume takes a volume from the container and attaches it to args.To.
func (c *Client) MoveVolume(ctx context.Context, ref inventory.Ref, args inventory.AttachArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(on(ref, "POST", "/volumes/move"), args), o)
}

// Volumes returns the volumes of a project, or of all for "", by project and name.
func (c *Client) Volumes(ctx context.Context, project string) ([]wire.Volume, error) {
	q := url.Values{}
	set(q, "project", project)
	page, err := call[wire.Page[wire.Volume]](ctx, c, request{method: "GET", path: "/volumes", query: q})
	return page.Items, err
}

// Volume returns one volume with who has had it.
func (c *Client) Volume(ctx context.Context, ref inventory.Ref) (wire.Volume, error) {
	return call[wire.Volume](ctx, c, about(ref, "GET", ""))
}

// CreateVolume makes a volume.
func (c *Client) CreateVolume(ctx context.Context, args inventory.VolumeArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/volumes", body: args, query: url.Values{}, header: http.Header{}}, o)
}

// ResizeVolume changes the size of a volume.
func (c *Client) ResizeVolume(ctx context.Context, ref inventory.Ref, size string, o Options) (Answer, error) {
	return c.mutate(ctx, with(about(ref, "POST", "/resize"), map[string]string{"size": size}), o)
}

// UpdateVolume changes what is said of a volume.
func (c *Client) UpdateVolume(ctx context.Context, ref inventory.Ref, args inventory.VolumeUpdateArgs, o Options) (Answer, error) {
	return c.mutate(ctx, with(about(ref, "PATCH", ""), args), o)
}

// DeleteVolume removes a volume for good.
func (c *Client) DeleteVolume(ctx context.Context, ref inventory.Ref, o Options) (Answer, error) {
	return c.mutate(ctx, about(ref, "DELETE", ""), o)
}

// VolumeSnapshots returns the volume's snapshots, oldest first.
func (c *Client) VolumeSnapshots(ctx context.Context, ref inventory.Ref) ([]wire.VolumeSnapshot, error) {
	page, err := call[wire.Page[wire.VolumeSnapshot]](ctx, c, about(ref, "GET", "/snapshots"))
	return page.Items, err
}

// SnapshotVolume takes a snapshot of a volume; a name is made up when it is empty.
func (c *Client) SnapshotVolume(ctx context.Context, ref inventory.Ref, name, note string, o Options) (Answer, error) {
	args := map[string]string{"name": name, "note": note}
	return c.mutate(ctx, with(about(ref, "POST", "/snapshots"), args), o)
}

// RestoreVolume puts a volume back as it was at a snapshot.
func (c *Client) RestoreVolume(ctx context.Context, ref inventory.Ref, name string, o Options) (Answer, error) {
	return c.mutate(ctx, about(ref, "POST", "/snapshots/"+segment(name)+"/restore"), o)
}

// DeleteVolumeSnapshot removes a snapshot of a volume.
func (c *Client) DeleteVolumeSnapshot(ctx context.Context, ref inventory.Ref, name string, o Options) (Answer, error) {
	return c.mutate(ctx, about(ref, "DELETE", "/snapshots/"+segment(name)), o)
}

// about makes a request about one volume.
func about(ref inventory.Ref, method, rest string) request {
	q := url.Values{}
	set(q, "project", ref.Project)
	return request{method: method, path: "/volumes/" + segment(ref.Name) + rest, query: q, header: http.Header{}}
}
