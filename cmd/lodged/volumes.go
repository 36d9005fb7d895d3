package main

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// ListVolumes shows volumes with what they hold and who has them.
func (r reads) ListVolumes(ctx context.Context, project string) ([]wire.Volume, error) {
	all, err := r.Store.Volumes(ctx, project)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Volume, 0, len(all))
	for _, v := range all {
		attached, err := r.Store.Attachments(ctx, v.ID, false)
		if err != nil {
			return nil, err
		}
		out = append(out, wire.FromVolume(v, r.usedBy(ctx, v), attached, nil))
	}
	return out, nil
}

// ShowVolume shows one with who has had it.
func (r reads) ShowVolume(ctx context.Context, ref inventory.Ref) (wire.Volume, error) {
	v, err := r.Store.Volume(ctx, ref)
	if err != nil {
		return wire.Volume{}, err
	}
	attached, err := r.Store.Attachments(ctx, v.ID, false)
	if err != nil {
		return wire.Volume{}, err
	}
	history, err := r.Store.Attachments(ctx, v.ID, true)
	return wire.FromVolume(v, r.usedBy(ctx, v), attached, history), err
}

// usedBy is 0 for a volume that is being made.
func (r reads) usedBy(ctx context.Context, v inventory.Volume) inventory.Bytes {
	used, err := r.pools.Pool(v.Pool).Usage(ctx, string(v.ID))
	if err != nil {
		return 0
	}
	return used
}
