package container

import (
	"strconv"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Settings returns the rows this package applies itself.
func Settings() []inventory.Setting {
	anywhere := []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject, inventory.ScopeContainer}
	return append(append(overcommitSettings(), reserveSettings()...), []inventory.Setting{
		{Name: "after.timeout", Scopes: anywhere, Type: inventory.TypeDuration, Default: "1m0s",
			Min: "0s", Max: "1h",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "How long a start waits for what the container comes after; then it starts all the same, and the journal says what was missing."},
		{Name: "disk", Scopes: anywhere, Type: inventory.TypeBytes, Unit: "bytes", Default: "10GiB",
			Min:    "64MiB",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "Most the root file system may hold. It can't shrink below what is in use."},
		{Name: hoursSetting, Scopes: anywhere, Type: inventory.TypeHours, Default: inventory.Always,
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "When it runs: mon-fri 08:00-18:00, sat 10:00-14:00 Europe/Berlin; UTC without a zone. It is started and stopped at these times; what is done by hand holds until the next."},
		{Name: "restart.policy", Scopes: anywhere, Type: inventory.TypeEnum, Default: "on-failure",
			Values: []string{"never", "on-failure",
				"always"}, Effect: inventory.EffectLive, Risk: inventory.RiskLow,
			Doc: "What happens when init ends unasked: on-failure leaves a container that powered itself off alone."},
		{Name: "stop.timeout", Scopes: anywhere, Type: inventory.TypeDuration, Default: "30s",
			Min: "1s", Max: "1h",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow, Doc: "How long init may take to stop."},
		{Name: "storage.host_paths", Scopes: []inventory.Scope{inventory.ScopeHost}, Type: inventory.TypeText,
			Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Doc: "Folders of the host, by their real paths with commas between, beneath which a disk may show a container something; none by default."},
		{Name: "trash.keep", Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeProject},
			Type:    inventory.TypeDuration,
			Default: "168h0m0s", Min: "0s", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "How long a deleted container can be restored before it is purged."},
	}...)
}

// reservation is what a container with these effective settings counts against quotas.
func reservation(values map[string]string) *gate.Reservation {
	cpus, _ := strconv.ParseFloat(values["cpus"], 64) // the settings table has checked all three
	memory, _ := inventory.ParseBytes(values["memory"])
	disk, _ := inventory.ParseBytes(values["disk"])
	return &gate.Reservation{CPUs: cpus, Memory: memory, Disk: disk,
		Privileged: values["security.privileged"] == "true", Nested: values["security.nesting"] == "true"}
}
