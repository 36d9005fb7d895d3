package apitest

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// theVolume is the one volume of the world; nothing changes it.
var theVolume = inventory.Volume{ID: "v1", Name: "data", Project: inventory.DefaultProject, Pool: "default", Owner: "alice",
	Size: inventory.GiB, Backup: true, Revision: 1, CreatedAt: start, UpdatedAt: start}

func (w reads) ListVolumes(ctx context.Context, project string) ([]wire.Volume, error) {
	if project != "" && project != theVolume.Project {
		return nil, nil
	}
	return []wire.Volume{wire.FromVolume(theVolume, 0, nil, nil)}, nil
}

func (w reads) ShowVolume(ctx context.Context, ref inventory.Ref) (wire.Volume, error) {
	if ref != theVolume.Ref() {
		return wire.Volume{}, inventory.Errorf(inventory.ErrNotFound, "there is no volume %s", ref)
	}
	return wire.FromVolume(theVolume, 0, nil, nil), nil
}

func (w reads) VolumeSnapshots(ctx context.Context, id inventory.VolumeID) ([]inventory.VolumeSnapshot, error) {
	return nil, nil
}
