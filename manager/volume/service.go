// Package volume keeps trees of files that outlive the containers they are attached to: it makes,
// resizes, deletes, snapshots and restores them. Attaching one is a change of the container that gets it
// and belongs to package container.
//
// A volume is a row, which counts against the project's quota, and a volume of the pool. The row comes
// first and goes first, so a crash leaves neither what nobody counts nor what nobody can name.
package volume

import (
	"context"
	"log/slog"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// Config is what the service is made of. All fields are required.
type Config struct {
	Host     inventory.HostID
	Pools    pools
	Store    Store
	Observer observer
	Capacity capacity
	Log      *slog.Logger
	Now      func() time.Time
}

// Store is what the service keeps and reads.
type Store interface {
	rows
	sizes
	snapshots
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	Project(ctx context.Context, name string) (inventory.Project, error)
}

type rows interface {
	Volume(ctx context.Context, ref inventory.Ref) (inventory.Volume, error)
	AddVolume(ctx context.Context, v inventory.Volume) error
	RemoveVolume(ctx context.Context, id inventory.VolumeID) error
	// UpdateVolume changes owner, purpose and flags; ErrState if it would end sharing between writers.
	UpdateVolume(ctx context.Context, v inventory.Volume) error
	// PutVolume takes a change back, whatever the quotas.
	PutVolume(ctx context.Context, v inventory.Volume) error
}

type sizes interface {
	ResizeVolume(ctx context.Context, id inventory.VolumeID, size inventory.Bytes) error
	VolumeFits(ctx context.Context, v inventory.Volume) error
	Attachments(ctx context.Context, id inventory.VolumeID, history bool) ([]inventory.Attachment, error)
}

type snapshots interface {
	SaveVolumeSnapshot(ctx context.Context, s inventory.VolumeSnapshot) error
	VolumeSnapshots(ctx context.Context, id inventory.VolumeID) ([]inventory.VolumeSnapshot, error)
	DeleteVolumeSnapshot(ctx context.Context, id inventory.VolumeID, name string) error
}

// pools are the host's; one may be lost and come back.
type pools interface {
	Pool(name string) storage.Pool
	// Default is the name of the one new volumes come to.
	Default() string
}

// capacity is what the host may give of its pools.
type capacity interface {
	// CheckRoom refuses with ErrQuota more room for a volume than its pool gives.
	CheckRoom(ctx context.Context, v inventory.Volume, more inventory.Bytes) error
}

type observer interface {
	State(c *inventory.Container) inventory.State
}

// Service has the verbs. Safe for concurrent use.
type Service struct{ Config }

// New returns a service without side effects.
func New(cfg Config) *Service { return &Service{cfg} }

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	verb := func(name, command string, risk inventory.Risk, steps ...gate.Step) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightManage, Mode: gate.ModeOperation, Command: command, Risk: risk,
			Subject: subject, Steps: steps}
	}
	create := verb("volume.create", "volume create", inventory.RiskLow,
		gate.Step{Name: "row", Do: s.addRow, Undo: s.removeRow}, gate.Step{Name: "volume", Do: s.make, Undo: s.unmake})
	create.Right, create.Prepare = inventory.RightCreate, s.prepareCreate
	resize := verb("volume.resize", "volume resize", inventory.RiskLow,
		gate.Step{Name: "row", Do: s.resizeRow, Undo: s.putRowBack}, gate.Step{Name: "volume", Do: s.resize, Undo: s.resizeBack})
	resize.Prepare = s.prepareResize
	update := verb("volume.update", "volume set", inventory.RiskLow,
		gate.Step{Name: "row", Do: s.updateRow, Undo: s.putRowBack})
	update.Prepare = s.prepareUpdate
	remove := verb("volume.delete", "volume delete", inventory.RiskHigh,
		gate.Step{Name: "row", Do: s.removeRow, Undo: s.putRowBack}, gate.Step{Name: "volume", Do: s.unmake})
	remove.Right, remove.Prepare, remove.Recovery = inventory.RightPurge, s.prepareDelete, gate.RecoverFinish
	remove.Interrupts = "its data and snapshots are gone for good"
	view := gate.Verb{Name: "volume.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Command: "volume list"}
	return append([]gate.Verb{view, create, resize, update, remove}, s.snapshotVerbs(verb)...)
}

// subject makes what is done to one volume exclude each other: by its name, which is all there is before
// it exists.
func subject(r *gate.Request) (subject, name string, err error) {
	var args struct{ Name, Volume, Project string }
	if err := unmarshal(r, &args); err != nil {
		return "", "", err
	}
	ref := inventory.Ref{Project: args.Project, Name: args.Volume}
	if ref.Name == "" {
		ref.Name = args.Name
	}
	return "volume:" + orDefault(args.Project) + "/" + ref.Name, ref.String(), nil
}

func orDefault(project string) string {
	if project == "" {
		return inventory.DefaultProject
	}
	return project
}
