package wire

import "lodge/inventory"

// A ContainerDevice is a device of a container, with how it is where a process of the host's does its work.
type ContainerDevice struct {
	inventory.Device
	State *inventory.DeviceState `json:"state,omitempty" doc:"Absent for one that never had to be started again."`
}

// A ContainerSpec is what a container is, at a revision of it.
type ContainerSpec struct {
	Spec     inventory.Spec `json:"spec"`
	Revision int64          `json:"revision" doc:"What If-Match compares."`
}

// A SpecPage is what containers are, with the volumes they have, and all of a project's when none was named.
type SpecPage struct {
	Items   []ContainerSpec        `json:"items" nullable:"false"`
	Volumes []inventory.VolumeSpec `json:"volumes" nullable:"false"`
}
