package wire

import "lodge/inventory"

// A ContainerSpec is what a container is, at a revision of it.
type ContainerSpec struct {
	Spec     inventory.Spec `json:"spec"`
	Revision int64          `json:"revision" doc:"What If-Match compares."`
}
