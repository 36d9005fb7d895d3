package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// A VolumeTarget is the volume a route is about.
type VolumeTarget struct {
	Volume  string `path:"volume" maxLength:"63" doc:"Name or id of the volume."`
	Project string `query:"project" default:"default" doc:"Project of the volume."`
}

func (t VolumeTarget) ref() inventory.Ref { return inventory.Ref{Project: t.Project, Name: t.Volume} }

type volumesInput struct {
	Project string `query:"project" maxLength:"63" doc:"Only this project's; every project's when absent."`
}

type resizeInput struct {
	VolumeTarget
	Options
	Body *struct {
		Size string `json:"size" example:"20GiB" doc:"A bound on what it holds."`
	}
}

func (in *resizeInput) asked() asked {
	args := inventory.VolumeArgs{Name: in.Volume, Project: in.Project}
	if in.Body != nil {
		args.Size = in.Body.Size
	}
	return asked{args: args, options: in.Options}
}

type updateVolumeInput struct {
	VolumeTarget
	Options
	Body *inventory.VolumeUpdateArgs
}

func (in *updateVolumeInput) asked() asked {
	var args inventory.VolumeUpdateArgs
	if in.Body != nil {
		args = *in.Body
	}
	args.Name, args.Project = in.Volume, in.Project
	return asked{args: args, options: in.Options}
}

type deleteVolumeInput struct {
	VolumeTarget
	Options
}

func (in *deleteVolumeInput) asked() asked {
	return asked{args: inventory.VolumeArgs{Name: in.Volume, Project: in.Project}, options: in.Options}
}

// detachInput names a container and one of its volumes.
type detachInput struct {
	Target
	Volume string `path:"volume" maxLength:"63" doc:"Name of the volume."`
	Options
}

func (in *detachInput) asked() asked {
	return asked{ref: in.ref(), args: inventory.AttachArgs{Volume: in.Volume}, options: in.Options}
}

type deviceInput struct {
	Target
	Device string `path:"device" maxLength:"63" doc:"Name of the device."`
	Options
}

func (in *deviceInput) asked() asked {
	return asked{ref: in.ref(), args: inventory.DeviceArgs{Name: in.Device}, options: in.Options}
}

// deviceRoutes registers what containers have beside their root file systems.
func (a *API) deviceRoutes() {
	at := routesBelow("/v1/containers/{name}", "devices")
	read(a, at("device.list", "container.view", "GET", "/devices", "List a container's devices by name"),
		func(ctx context.Context, in *struct{ Target }) (*body[wire.Page[wire.ContainerDevice]], error) {
			c, err := a.container(ctx, "container.view", in.Target)
			if err != nil {
				return nil, err
			}
			states := a.Observer.Observe(c).Devices
			return page(c.Devices, func(d inventory.Device) wire.ContainerDevice {
				if state, ok := states[d.Name]; ok {
					return wire.ContainerDevice{Device: d, State: &state}
				}
				return wire.ContainerDevice{Device: d}
			}), nil
		})
	mutate[onContainer[inventory.Device]](a, at("", "container.device.add", "POST", "/devices",
		"Give a container a device, at once if it runs"), true, nil)
	mutate[deviceInput](a, at("", "container.device.remove", "DELETE", "/devices/{device}",
		"Take a device away from a container, at once if it runs"), false, nil)
	mutate[onContainer[inventory.AttachArgs]](a, at("", "volume.attach", "POST", "/volumes",
		"Attach a volume to a container"), true, nil)
	mutate[detachInput](a, at("", "volume.detach", "DELETE", "/volumes/{volume}", "Detach a volume from a container"), false, nil)
	mutate[onContainer[inventory.AttachArgs]](a, at("", "volume.move", "POST", "/volumes/move",
		"Take a volume from a container and attach it to another"), true, nil)
}

// volume finds one the caller may see; what they may not see does not exist for them.
func (a *API) volume(ctx context.Context, in *VolumeTarget) (wire.Volume, error) {
	if err := a.enter(ctx, "volume.view"); err != nil {
		return wire.Volume{}, err
	}
	v, err := a.Reads.ShowVolume(ctx, in.ref())
	if err == nil && !a.sight().ofVolume(ctx, &v) {
		return wire.Volume{}, inventory.Errorf(inventory.ErrNotFound, "there is no volume %s", in.ref())
	}
	return v, err
}

// ofVolume reports whether the caller may see a volume: who sees its project, and who sees a container
// that has it. It takes from it the containers they may not see.
func (s *sight) ofVolume(ctx context.Context, v *wire.Volume) bool {
	has := func(at wire.Attachment) bool { return s.of(ctx, at.Container, at.Project) }
	attached := only(v.Attached, has)
	if !s.seesProject(ctx, v.Project) && len(attached) == 0 {
		return false
	}
	v.Attached, v.History = append([]wire.Attachment{}, attached...), only(v.History, has)
	return true
}

// volumeRoutes registers volumes and their snapshots.
func (a *API) volumeRoutes() {
	at := routesBelow("/v1/volumes", "volumes")
	read(a, at("volume.list", "volume.view", "GET", "", "List volumes by project and name"),
		func(ctx context.Context, in *volumesInput) (*body[wire.Page[wire.Volume]], error) {
			if err := a.enter(ctx, "volume.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.ListVolumes(ctx, in.Project)
			seen, s := []wire.Volume{}, a.sight()
			for _, v := range all {
				if s.ofVolume(ctx, &v) {
					seen = append(seen, v)
				}
			}
			return page(seen, func(v wire.Volume) wire.Volume { return v }), err
		})
	read(a, at("volume.show", "volume.view", "GET", "/{volume}", "Show a volume with who has had it"),
		func(ctx context.Context, in *VolumeTarget) (*body[wire.Volume], error) {
			v, err := a.volume(ctx, in)
			return &body[wire.Volume]{Body: v}, err
		})
	mutate[onHost[inventory.VolumeArgs]](a, at("", "volume.create", "POST", "", "Make a volume"), true, nil)
	mutate[resizeInput](a, at("", "volume.resize", "POST", "/{volume}/resize", "Change the size of a volume"), true, nil)
	mutate[updateVolumeInput](a, at("", "volume.update", "PATCH", "/{volume}", "Change what is said of a volume"), true, nil)
	mutate[deleteVolumeInput](a, at("", "volume.delete", "DELETE", "/{volume}", "Remove a volume and its data for good"), false, nil)
	a.volumeSnapshotRoutes()
}
