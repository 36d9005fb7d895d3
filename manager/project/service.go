// Package project keeps the tenants of a host: who works in each, what its containers inherit, and
// the quotas they share. Containers themselves belong to manager/container, which is told here when
// what they inherit has changed.
//
// A project's row is replaced as a whole at a known revision, and with it, in one transaction, what
// its containers count against quotas. After a crash the next agent finishes what it finds.
package project

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Settings   inventory.Settings
	Projects   projects
	Quotas     quotas
	Defaults   defaults
	Containers containers
	Rules      rules
	Now        func() time.Time
}

// projects keeps the rows; see the store for what each refuses.
type projects interface {
	Project(ctx context.Context, name string) (inventory.Project, error)
	PutProject(ctx context.Context, p inventory.Project,
		reserve map[inventory.ContainerID]inventory.Reservation) error
	ProjectInUse(ctx context.Context, name string) error
	DeleteProject(ctx context.Context, name string) error
}

type quotas interface {
	Quotas(ctx context.Context) ([]inventory.Quota, error)
	SetQuotas(ctx context.Context, h inventory.QuotaHolder, most map[string]int64) error
	// TryProject says what PutProject would, and changes nothing.
	TryProject(ctx context.Context, p inventory.Project,
		reserve map[inventory.ContainerID]inventory.Reservation) error
}

// defaults finds what a project may give to its containers; ErrNotFound if there is none.
type defaults interface {
	Network(ctx context.Context, name string) (inventory.Network, error)
	Image(ctx context.Context, ref string) (inventory.Image, error)
}

// containers are those that inherit.
type containers interface {
	// Reservations says what each container of p counts against quotas if the project is p.
	Reservations(ctx context.Context, p inventory.Project) (
		map[inventory.ContainerID]inventory.Reservation, error)
	// Inherit brings the containers of a project that inherit one of the settings to it, live where
	// that is possible. One that can't be is named and keeps no other from it.
	Inherit(ctx context.Context, project string, changed []string) error
}

// rules tells the kernel who may talk to whom now.
type rules interface {
	ApplyRules(ctx context.Context) error
}

// settingWithin is the setting that lets containers of a project reach each other.
const settingWithin = "network.within"

// A Service has the verbs. Safe for concurrent use.
type Service struct{ Config }

// New returns a service without side effects.
func New(cfg Config) *Service { return &Service{cfg} }

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	return []gate.Verb{
		{Name: "project.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Command: "project list"},
		{Name: "project.create", Right: inventory.RightProject, Mode: gate.ModeOperation,
			Command: "project create", Risk: inventory.RiskLow, Subject: projectSubject,
			Prepare: s.prepareCreate, Steps: []gate.Step{{Name: "row", Do: s.create, Undo: s.uncreate}}},
		{Name: "project.update", Right: inventory.RightProject, Mode: gate.ModeOperation,
			Command: "project set", Risk: inventory.RiskHigh, Recovery: gate.RecoverFinish,
			Subject: projectSubject, Prepare: s.prepareUpdate, Steps: []gate.Step{
				{Name: "row", Do: s.update, Undo: s.updateBack}, {Name: "apply", Do: s.apply}}},
		{Name: "project.delete", Right: inventory.RightProject, Mode: gate.ModeOperation,
			Command: "project delete", Risk: inventory.RiskMedium, Recovery: gate.RecoverFinish,
			Subject: deleteSubject, Prepare: s.prepareDelete,
			Steps: []gate.Step{{Name: "row", Do: s.delete}}},
		{Name: "quota.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Command: "quota list"},
		{Name: "quota.set", Right: inventory.RightHost, Mode: gate.ModeOperation, Command: "quota set",
			Risk: inventory.RiskMedium, Recovery: gate.RecoverFinish, Subject: quotaSubject,
			Prepare: s.prepareQuota, Steps: []gate.Step{{Name: "save", Do: s.setQuota}}},
	}
}

func projectSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.ProjectArgs
	err = r.Decode(&args)
	return "project:" + args.Name, args.Name, err
}

func deleteSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.ProjectDeleteArgs
	err = r.Decode(&args)
	return "project:" + args.Name, args.Name, err
}

// quotaSubject makes changes of one holder's quotas exclude each other, and those of a project the
// project's own too: a project that goes takes its quotas along.
func quotaSubject(r *gate.Request) (subject, name string, err error) {
	var args inventory.QuotaArgs
	err = r.Decode(&args)
	switch {
	case args.Owner != "":
		return "owner:" + args.Owner, args.Owner, err
	case args.Environment != "":
		return "environment:" + args.Environment, args.Environment, err
	}
	return "project:" + args.Project, args.Project, err
}
