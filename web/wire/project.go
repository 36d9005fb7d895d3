package wire

import (
	"time"

	"lodge/inventory"
)

// A Project is a tenant: who works in it, and what its containers inherit.
type Project struct {
	Name    string             `json:"name"`
	Purpose string             `json:"purpose"`
	Owner   string             `json:"owner"`
	Members []inventory.Member `json:"members" nullable:"false"`
	Network string             `json:"network,omitempty" doc:"What its containers are on that name none."`
	Image   string             `json:"image,omitempty" doc:"What its containers are made from that name none."`
	// Settings are the project's own; Effective, which lists leave out, adds what it inherits.
	Settings   map[string]string `json:"settings,omitempty" doc:"What was set on this project; see effective."`
	Effective  []Value           `json:"effective,omitempty" doc:"What its containers inherit, with its origin; not in lists."`
	Quotas     []Quota           `json:"quotas" nullable:"false"`
	Containers int               `json:"containers" doc:"Those the caller may see, not counting the trash."`
	Revision   int64             `json:"revision" doc:"Grows by one with every change; what If-Match compares."`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
}

// A Quota is the most that the containers of a project may reserve together.
type Quota struct {
	Project string `json:"project" doc:"* for all of the host together."`
	Name    string `json:"name" doc:"containers, cpus, memory or disk."`
	Max     int64  `json:"max" doc:"Containers, thousandths of a CPU, or bytes."`
	Used    int64  `json:"used" doc:"The same, reserved; containers in the trash count their disk only."`
}

// FromProject writes a project, but for what the caller has to look up: containers, quotas and what
// is in force.
func FromProject(p inventory.Project) Project {
	return Project{Name: p.Name, Purpose: p.Purpose, Owner: p.Owner, Members: list(p.Members),
		Network: p.Network, Image: p.Image, Settings: p.Settings, Quotas: []Quota{},
		Revision: p.Revision, CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC()}
}

// FromQuota writes a quota.
func FromQuota(q inventory.Quota) Quota {
	return Quota(q)
}
