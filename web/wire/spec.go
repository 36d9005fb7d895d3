package wire

import "lodge/inventory"

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
