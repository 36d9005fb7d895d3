package api

import (
	"context"
	"slices"

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

type snapshotList struct {
	Target
	Keep string `query:"keep" maxLength:"100" doc:"Say what would be kept by these numbers instead of those in force." example:"7d 4w 12m"`
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
	runs := route{id: "snapshot.runs", method: "GET", path: "/v1/containers/{name}/snapshot-runs", verb: "container.view",
		summary: "List the runs of a container's schedule, the next and then the newest first", tag: "snapshots"}
	read(a, list, func(ctx context.Context, in *snapshotList) (*body[wire.Page[wire.Snapshot]], error) {
		all, err := a.snapshots(ctx, in.Target, in.Keep)
		return &body[wire.Page[wire.Snapshot]]{Body: wire.Page[wire.Snapshot]{Items: all}}, err
	})
	read(a, show, func(ctx context.Context, in *snapshotInput) (*body[wire.Snapshot], error) {
		all, err := a.snapshots(ctx, in.Target, "")
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if s.Name == in.Snapshot {
				return &body[wire.Snapshot]{Body: s}, nil
			}
		}
		return nil, inventory.Errorf(inventory.ErrNotFound, "%s has no snapshot %s", in.ref(), in.Snapshot)
	})
	read(a, runs, a.snapshotRuns)
	mutate[onContainer[inventory.SnapshotArgs]](a,
		at("snapshot.create", "POST", "", "Take a snapshot"), false, nil)
	mutate[snapshotMutation](a, at("snapshot.restore", "POST", "/{snapshot}/restore",
		"Put the root file system back as it was"), false, nil)
	mutate[snapshotMutation](a, at("snapshot.delete", "DELETE", "/{snapshot}", "Remove a snapshot"),
		false, nil)
}

// snapshots are the container's, each with what its schedule makes of it.
func (a *API) snapshots(ctx context.Context, t Target, keep string) ([]wire.Snapshot, error) {
	c, err := a.container(ctx, "container.view", t)
	if err != nil {
		return nil, err
	}
	all, err := a.Reads.Snapshots(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	var fates []inventory.Fate
	if a.Schedules != nil {
		if fates, err = a.Schedules.Fates(ctx, c, keep); err != nil {
			return nil, err
		}
	}
	out := make([]wire.Snapshot, len(all))
	for i, s := range all {
		var fate *inventory.Fate
		if n := slices.IndexFunc(fates, func(f inventory.Fate) bool { return f.ID == s.Name }); n >= 0 {
			fate = &fates[n]
		}
		out[i] = wire.FromSnapshot(s, fate)
	}
	return out, nil
}

// mostRuns bounds how many runs are listed.
const mostRuns = 100

func (a *API) snapshotRuns(ctx context.Context, in *struct{ Target }) (*body[wire.Page[wire.Run]], error) {
	c, err := a.container(ctx, "container.view", in.Target)
	if err != nil {
		return nil, err
	}
	if a.Schedules == nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "this agent follows no schedules")
	}
	all, err := a.Schedules.Runs(ctx, c.ID, mostRuns)
	return page(all, wire.FromRun), err
}
