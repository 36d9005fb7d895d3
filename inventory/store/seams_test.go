package store_test

import (
	"context"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// What other packages ask of the store, as they wrote it down. The gate's seam is checked itself;
// of the others these are copies, since the store imports no one's manager.
var (
	_ gate.Store     = (*store.Store)(nil)
	_ containerStore = (*store.Store)(nil)
	_ imageStore     = (*store.Store)(nil)
	_ sessionStore   = (*store.Store)(nil)
)

type containerStore interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
	IDBases(ctx context.Context) ([]uint32, error)
	History(ctx context.Context, id inventory.ContainerID) ([]inventory.Revision, error)
	HostSettings(ctx context.Context) (map[string]string, error)
	SetHostSettings(ctx context.Context, values map[string]string, reserve map[inventory.ContainerID]inventory.Reservation) error
	AppendEvent(ctx context.Context, e inventory.Event) error
	AddSnapshot(ctx context.Context, s inventory.Snapshot) error
	Snapshot(ctx context.Context, id inventory.ContainerID, name string) (inventory.Snapshot, error)
	Snapshots(ctx context.Context, id inventory.ContainerID) ([]inventory.Snapshot, error)
	DeleteSnapshot(ctx context.Context, id inventory.ContainerID, name string) error
}

type imageStore interface {
	SaveImage(ctx context.Context, m inventory.Image) error
	Image(ctx context.Context, ref string) (inventory.Image, error)
	Images(ctx context.Context) ([]inventory.Image, error)
	DeleteImage(ctx context.Context, digest string) error
	SetAlias(ctx context.Context, alias, digest string) error
}

type sessionStore interface {
	SaveSession(ctx context.Context, s inventory.Session) error
	Sessions(ctx context.Context, q inventory.SessionQuery) ([]inventory.Session, error)
}
