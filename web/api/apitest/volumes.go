package apitest

import (
	"context"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// theVolume is the one volume of a new world.
var theVolume = inventory.Volume{ID: "v1", Name: "data", Project: inventory.DefaultProject, Pool: "default", Owner: "alice",
	Size: inventory.GiB, Backup: true, Revision: 1, CreatedAt: start, UpdatedAt: start}

// DeviceTypes is a small table of devices.
func (w *World) DeviceTypes() inventory.DeviceTypes { return deviceTypes }

var deviceTypes = inventory.NewDeviceTypes([]inventory.DeviceType{
	{Name: "disk", Required: []string{"path"}, Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Properties: []inventory.Setting{{Name: "path", Type: inventory.TypeText}, {Name: "volume", Type: inventory.TypeText},
			{Name: "readonly", Type: inventory.TypeBool, Default: "false"}}},
	{Name: "tmpfs", Required: []string{"path"}, Effect: inventory.EffectLive, Risk: inventory.RiskLow,
		Properties: []inventory.Setting{{Name: "path", Type: inventory.TypeText},
			{Name: "size", Type: inventory.TypeBytes, Default: "64MiB"}}},
})

func (w reads) Volumes(ctx context.Context, project string) ([]inventory.Volume, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.volumes), func(v inventory.Volume) bool {
		return project != "" && project != v.Project
	}), nil
}

func (w reads) ListVolumes(ctx context.Context, project string) (out []wire.Volume, err error) {
	all, err := w.Volumes(ctx, project)
	for _, v := range all {
		out = append(out, w.shown(v))
	}
	return out, err
}

func (w reads) ShowVolume(ctx context.Context, ref inventory.Ref) (wire.Volume, error) {
	w.mu.Lock()
	i := w.volume(ref)
	w.mu.Unlock()
	if i < 0 {
		return wire.Volume{}, inventory.Errorf(inventory.ErrNotFound, "there is no volume %s", ref)
	}
	return w.shown(w.volumes[i]), nil
}

// shown adds who has the volume.
func (w reads) shown(v inventory.Volume) wire.Volume {
	w.mu.Lock()
	defer w.mu.Unlock()
	var held []inventory.Attachment
	for _, c := range w.containers {
		for _, d := range c.Devices {
			if d.Volume() == v.Name && c.Project == v.Project {
				held = append(held, inventory.Attachment{Volume: v.ID, Container: c.ID, Name: c.Name, Project: c.Project,
					Device: d.Name, Path: d.Properties[inventory.PropertyPath], ReadOnly: d.IsReadOnly(), From: start})
			}
		}
	}
	return wire.FromVolume(v, 0, held, nil)
}

func (w reads) VolumeSnapshots(ctx context.Context, id inventory.VolumeID) ([]inventory.VolumeSnapshot, error) {
	return nil, nil
}

// volume finds a volume; -1 if there is none. w.mu is held.
func (w *World) volume(ref inventory.Ref) int {
	return slices.IndexFunc(w.volumes, func(v inventory.Volume) bool { return v.Ref() == ref })
}

// furnish are the verbs of volumes and devices; ok is false for any other.
func (w *World) furnish(r *gate.Request) (change func(), ok bool, err error) {
	switch r.Verb {
	case "volume.create", "volume.resize":
		change, err = w.putVolume(r)
	case "volume.update":
		change, err = w.setVolume(r)
	case "container.device.add":
		d, e := decode[inventory.Device](r)
		if e == nil {
			d, e = deviceTypes.Check(d)
		}
		c := r.Container
		change, err = func() { w.touch(c, r, func() { c.SetDevice(d) }) }, e
	case "container.device.remove":
		args, e := decode[inventory.DeviceArgs](r)
		c := r.Container
		if _, has := c.Device(args.Name); !has && e == nil {
			e = inventory.Errorf(inventory.ErrNotFound, "%s has no device %s", c.Ref(), args.Name)
		}
		change, err = func() { w.touch(c, r, func() { c.RemoveDevice(args.Name) }) }, e
	default:
		return nil, false, nil
	}
	return change, true, err
}

func (w *World) putVolume(r *gate.Request) (func(), error) {
	args, err := decode[inventory.VolumeArgs](r)
	if err != nil {
		return nil, err
	}
	if args.Project == "" {
		args.Project = inventory.DefaultProject
	}
	size, err := inventory.ParseBytes(args.Size)
	v := inventory.Volume{ID: inventory.VolumeID("v-" + args.Name), Name: args.Name, Project: args.Project, Pool: "default", Owner: args.Owner,
		Purpose: args.Purpose, Size: size, Backup: args.Backup == nil || *args.Backup, Shared: args.Shared, Revision: 1}
	if v.Owner == "" {
		v.Owner = r.Principal.Name
	}
	i := w.volume(v.Ref())
	switch {
	case err != nil:
		return nil, err
	case r.Verb == "volume.create" && i >= 0:
		return nil, inventory.Errorf(inventory.ErrExists, "volume %s exists already", v.Ref())
	case r.Verb == "volume.create":
		return func() { w.volumes = append(w.volumes, v) }, inventory.CheckVolume(v)
	case i < 0:
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no volume %s", v.Ref())
	}
	return func() { w.volumes[i].Size = size }, nil
}

func (w *World) setVolume(r *gate.Request) (func(), error) {
	args, err := decode[inventory.VolumeUpdateArgs](r)
	if err != nil {
		return nil, err
	}
	i := w.volume(inventory.Ref{Project: args.Project, Name: args.Name})
	if i < 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no volume %s", args.Name)
	}
	return func() {
		v := &w.volumes[i]
		for field, value := range map[*string]*string{&v.Purpose: args.Purpose, &v.Owner: args.Owner} {
			if value != nil {
				*field = *value
			}
		}
		for field, value := range map[*bool]*bool{&v.Backup: args.Backup, &v.Shared: args.Shared} {
			if value != nil {
				*field = *value
			}
		}
	}, nil
}
