package lxc

import (
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

var pathProperty = inventory.Setting{Name: inventory.PropertyPath, Type: inventory.TypeText, Risk: inventory.RiskLow,
	Doc: "Where it is inside the container, an absolute path that no link is part of; missing folders are made."}

// diskKind is a volume, or a folder of the host. Files of a volume keep the ids they have on disk, and
// the container sees them as its own. Those of a host's folder keep the host's, so that nothing a
// container writes there is ever the host's root's: what the host's users own shows as nobody's.
var diskKind = deviceKind{
	row: inventory.DeviceType{Name: "disk", Required: []string{inventory.PropertyPath}, Effect: inventory.EffectLive,
		Risk: inventory.RiskLow, Rule: checkDisk,
		Doc: "A volume, or a folder of the host beneath storage.host_paths, at a path of the container.",
		Properties: []inventory.Setting{pathProperty,
			{Name: inventory.PropertyVolume, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "A volume of the container's project."},
			{Name: inventory.PropertySource, Type: inventory.TypeText, Risk: inventory.RiskHigh,
				Doc: "A folder of the host, beneath one of storage.host_paths; takes the right host-path."},
			{Name: inventory.PropertyReadOnly, Type: inventory.TypeBool, Default: "false", Risk: inventory.RiskLow,
				Doc: "Let the container read only; its root can't change that."},
		}},
	mounts: diskMounts,
}

func checkDisk(d inventory.Device) error {
	if (d.Volume() == "") == (d.HostPath() == "") {
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s has to be either a volume or a folder of the host: give volume=NAME or source=PATH", d.Name)
	}
	if d.Volume() != "" {
		if err := inventory.CheckName("the volume", d.Volume()); err != nil {
			return err
		}
	} else if err := inventory.CheckHostPath(d.HostPath()); err != nil {
		return err
	}
	return inventory.CheckPlace(d.Properties[inventory.PropertyPath])
}

func diskMounts(b inventory.Boot, d inventory.Device, reserved []string) ([]mounts.Mount, error) {
	m := mounts.Mount{Device: d.Name, Kind: mounts.Folder, Target: d.Properties[inventory.PropertyPath],
		ReadOnly: d.IsReadOnly()}
	if name := d.Volume(); name != "" {
		root, ok := b.Volumes[name]
		if !ok {
			return nil, inventory.Errorf(inventory.ErrNotFound, "device %s: there is no volume %s", d.Name, name)
		}
		m.Source = root
		return []mounts.Mount{m}, nil
	}
	if len(b.HostPaths) == 0 {
		return nil, inventory.Errorf(inventory.ErrDenied,
			"device %s: this host gives no folders of its own to containers; 'lodge config set storage.host_paths=PATH' names those it may",
			d.Name)
	}
	m.Source, m.Beneath, m.Reserved = d.HostPath(), b.HostPaths, reserved
	return []mounts.Mount{m}, nil
}

// CheckHostFolder reports whether devices could show something beneath a folder of the host. One that
// holds what is reserved can be named: that alone is refused then.
func (r *Runtime) CheckHostFolder(path string) error {
	if err := inventory.CheckHostPath(path); err != nil {
		return err
	}
	for _, own := range r.reserved() {
		if own != "" && (path == own || strings.HasPrefix(path, own+"/")) {
			return inventory.Errorf(inventory.ErrDenied,
				"no container may have a folder beneath %s, so storage.host_paths can't name %s", own, path)
		}
	}
	real, err := filepath.EvalSymlinks(path)
	if info, failed := os.Stat(path); err != nil || failed != nil || !info.IsDir() {
		return inventory.Errorf(inventory.ErrInvalid, "storage.host_paths: there is no folder %s on the host; make it first", path)
	}
	if real != path {
		return inventory.Errorf(inventory.ErrInvalid, "storage.host_paths: %s leads over a link, which is not followed; write %s",
			path, real)
	}
	return nil
}
