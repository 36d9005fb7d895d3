package pool

import (
	"context"
	"path/filepath"
	"time"

	"lodge/inventory"
	"lodge/manager/storage"
)

// lost is a pool that doesn't work now: every method is the reason.
type lost struct {
	name   string
	reason error
	last   storage.Pool // for its paths; nil if it never worked in this agent
}

var _ storage.Pool = lost{}

func (l lost) CreateEmpty(context.Context, storage.Volume) error           { return l.reason }
func (l lost) Create(context.Context, storage.Volume, string) error        { return l.reason }
func (l lost) Clone(context.Context, string, string, storage.Volume) error { return l.reason }
func (l lost) Resize(context.Context, string, inventory.Bytes) error       { return l.reason }
func (l lost) Delete(context.Context, string) error                        { return l.reason }

func (l lost) Fill(context.Context, storage.Volume, func(string) error) error { return l.reason }

func (l lost) Ready(context.Context, string) error { return l.reason }
func (l lost) SnapshotPause(context.Context, string) (time.Duration, error) {
	return 0, l.reason
}

func (l lost) Snapshot(context.Context, string, string) error        { return l.reason }
func (l lost) RestoreSnapshot(context.Context, string, string) error { return l.reason }
func (l lost) DeleteSnapshot(context.Context, string, string) error  { return l.reason }

func (l lost) AddImage(context.Context, string, func(string) error) error { return l.reason }
func (l lost) HasImage(context.Context, string) (bool, error)             { return false, l.reason }
func (l lost) DeleteImage(context.Context, string) error                  { return l.reason }

func (l lost) Usage(context.Context, string) (inventory.Bytes, error) { return 0, l.reason }
func (l lost) Free(context.Context) (storage.Room, error)             { return storage.Room{}, l.reason }
func (l lost) List(context.Context) (storage.Listing, error)          { return storage.Listing{}, l.reason }

// nowhere is below a file, so that no path in it ever exists.
func (l lost) nowhere(name string) string { return filepath.Join("/dev/null", l.name, name) }

func (l lost) Base() string {
	if l.last != nil {
		return l.last.Base()
	}
	return l.nowhere("")
}

func (l lost) Path(id string) string {
	if l.last != nil {
		return l.last.Path(id)
	}
	return l.nowhere(id)
}

func (l lost) SnapshotPath(id, name string) string {
	if l.last != nil {
		return l.last.SnapshotPath(id, name)
	}
	return l.nowhere(name)
}

func (l lost) ImagePath(digest string) string {
	if l.last != nil {
		return l.last.ImagePath(digest)
	}
	return l.nowhere("image")
}
