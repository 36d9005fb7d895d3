package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

type volumeSnapshotInput struct {
	VolumeTarget
	Options
	Body *struct {
		Name string `json:"name,omitempty" doc:"A DNS label; made up when empty."`
		Note string `json:"note,omitempty"`
	}
}

func (in *volumeSnapshotInput) asked() asked {
	args := inventory.VolumeSnapshotArgs{Volume: in.Volume, Project: in.Project}
	if in.Body != nil {
		args.Name, args.Note = in.Body.Name, in.Body.Note
	}
	return asked{args: args, options: in.Options}
}

type volumeSnapshotMutation struct {
	VolumeTarget
	SnapshotName
	Options
}

func (in *volumeSnapshotMutation) asked() asked {
	return asked{args: inventory.VolumeSnapshotArgs{Volume: in.Volume, Project: in.Project, Name: in.Snapshot},
		options: in.Options}
}

func (a *API) volumeSnapshotRoutes() {
	at := routesBelow("/v1/volumes/{volume}/snapshots", "volumes")
	read(a, at("volume.snapshots", "volume.view", "GET", "", "List a volume's snapshots, oldest first"),
		func(ctx context.Context, in *VolumeTarget) (*body[wire.Page[wire.VolumeSnapshot]], error) {
			v, err := a.volume(ctx, in)
			if err != nil {
				return nil, err
			}
			all, err := a.Reads.VolumeSnapshots(ctx, v.ID)
			return page(all, wire.FromVolumeSnapshot), err
		})
	mutate[volumeSnapshotInput](a, at("", "volume.snapshot", "POST", "", "Take a snapshot of a volume"), false, nil)
	mutate[volumeSnapshotMutation](a, at("", "volume.restore", "POST", "/{snapshot}/restore",
		"Put a volume back as it was"), false, nil)
	mutate[volumeSnapshotMutation](a, at("", "volume.snapshot.delete", "DELETE", "/{snapshot}",
		"Remove a snapshot of a volume"), false, nil)
}
