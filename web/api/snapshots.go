package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// SnapshotName is the last part of a snapshot's path.
type SnapshotName struct {
	Snapshot string `path:"snapshot" maxLength:"63" doc:"Name of the snapshot."`
}

type snapshotInput struct {
	Target
	SnapshotName
}

type snapshotMutation struct {
	Target
	SnapshotName
	Options
	Body *Nothing
}

func (in *snapshotMutation) asked() asked {
	return asked{ref: in.ref(), args: inventory.SnapshotArgs{Name: in.Snapshot}, options: in.Options}
}

func (a *API) snapshotRoutes() {
	at := func(id, method, rest, summary string) route {
		return route{id: id, method: method, path: "/v1/containers/{name}/snapshots" + rest,
			summary: summary, tag: "snapshots"}
	}
	list := at("snapshot.list", "GET", "", "List a container's snapshots, oldest first")
	show := at("snapshot.show", "GET", "/{snapshot}", "Show a snapshot")
	list.verb, show.verb = "container.view", "container.view"
	read(a, list, func(ctx context.Context, in *struct{ Target }) (*body[wire.Page[wire.Snapshot]], error) {
		all, err := a.snapshots(ctx, in.Target)
		return page(all, wire.FromSnapshot), err
	})
	read(a, show, func(ctx context.Context, in *snapshotInput) (*body[wire.Snapshot], error) {
		all, err := a.snapshots(ctx, in.Target)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if s.Name == in.Snapshot {
				return &body[wire.Snapshot]{Body: wire.FromSnapshot(s)}, nil
			}
		}
		return nil, inventory.Errorf(inventory.ErrNotFound, "%s has no snapshot %s", in.ref(), in.Snapshot)
	})
	mutate[onContainer[inventory.SnapshotArgs]](a,
		at("snapshot.create", "POST", "", "Take a snapshot"), false, nil)
	mutate[snapshotMutation](a, at("snapshot.restore", "POST", "/{snapshot}/restore",
		"Put the root file system back as it was"), false, nil)
	mutate[snapshotMutation](a, at("snapshot.delete", "DELETE", "/{snapshot}", "Remove a snapshot"),
		false, nil)
}

func (a *API) snapshots(ctx context.Context, t Target) ([]inventory.Snapshot, error) {
	c, err := a.container(ctx, "container.view", t)
	if err != nil {
		return nil, err
	}
	return a.Reads.Snapshots(ctx, c.ID)
}
