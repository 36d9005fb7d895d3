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

// A Quota is the most that what is of one project, one owner or one environment may reserve together.
type Quota struct {
	Project     string `json:"project,omitempty" doc:"Whose quota it is, or else owner or environment; * for all of the host together."`
	Owner       string `json:"owner,omitempty"`
	Environment string `json:"environment,omitempty"`
	Name        string `json:"name" doc:"containers, cpus, memory, disk, addresses, privileged or nested."`
	Max         int64  `json:"max" doc:"A number, thousandths of a CPU, or bytes."`
	Used        int64  `json:"used" doc:"The same, committed; what lies in the trash counts its disk and addresses only."`
	InUse       *int64 `json:"in_use,omitempty" doc:"The same, measured: counts of containers that run, the mean of CPUs since they started."`
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
	return Quota{Project: q.Project, Owner: q.Owner, Environment: string(q.Environment), Name: q.Name, Max: q.Max,
		Used: q.Used, InUse: q.InUse}
}
