package lxc

import (
	"strconv"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// tmpfsKind is a file system in memory. What it holds counts as the container's memory and is gone when
// the container stops.
var tmpfsKind = deviceKind{
	row: inventory.DeviceType{Name: "tmpfs", Required: []string{inventory.PropertyPath, "size"},
		Effect: inventory.EffectLive, Risk: inventory.RiskLow, IsCloned: true, Rule: checkTmpfs,
		Doc: "A file system in the container's memory, empty after every start.",
		Properties: []inventory.Setting{pathProperty,
			{Name: "size", Type: inventory.TypeBytes, Unit: "bytes", Min: "4KiB", Risk: inventory.RiskLow,
				Doc: "The most it may hold; it counts as memory of the container."},
			{Name: "mode", Type: inventory.TypeText, Default: "0755", Risk: inventory.RiskLow,
				Doc: "Octal permission bits of its root folder, which belongs to the container's root."},
		}},
	mounts: func(_ inventory.Boot, d inventory.Device, _ []string) ([]mounts.Mount, error) {
		size, err := inventory.ParseBytes(d.Properties["size"])
		return []mounts.Mount{{Device: d.Name, Kind: mounts.Tmpfs, Target: d.Properties[inventory.PropertyPath],
			SizeBytes: int64(size), Mode: d.Properties["mode"]}}, err
	},
}

func checkTmpfs(d inventory.Device) error {
	if mode, err := strconv.ParseUint(d.Properties["mode"], 8, 32); err != nil || mode > 0o1777 {
		return inventory.Errorf(inventory.ErrInvalid, "device %s: mode %q is none of 0000 to 1777", d.Name,
			d.Properties["mode"])
	}
	return inventory.CheckPlace(d.Properties[inventory.PropertyPath])
}
