package storage

import (
	"context"
	"time"

	"lodge/inventory"
)

// A Pool keeps trees of files: images, volumes and snapshots. The package comment says what all
// of its methods guarantee.
type Pool interface {
	Volumes
	Filling
	Running
	Snapshots
	Images
	Paths
	Space
}

// Volumes are the writable trees.
type Volumes interface {
	// CreateEmpty makes a volume that holds nothing: one folder of mode 0755 that belongs to root.
	CreateEmpty(ctx context.Context, v Volume) error
	// Create makes a volume with the contents of an image. Owners, modes, times, extended
	// attributes, hard links and special files are the image's. ErrNotFound without the image.
	Create(ctx context.Context, v Volume, image string) error
	// Clone makes a volume with the contents of another one at this instant, or with those of a
	// snapshot of it. Files that are open in a running container are as after a power failure.
	// An empty snapshot name means the present. From then on the two share nothing but room.
	Clone(ctx context.Context, from, snapshot string, to Volume) error
	// Resize changes the size at once, also while the container runs. Zero takes the bound away.
	// A size below what is in use is ErrQuota with both numbers.
	Resize(ctx context.Context, id string, size inventory.Bytes) error
	// Delete removes the volume and every snapshot of it for good. The room comes back in the
	// background, as a rule within seconds.
	Delete(ctx context.Context, id string) error
}

// Filling makes volumes from what comes from elsewhere: another pool, a backup.
type Filling interface {
	// Fill makes a volume of what fill writes below dir, an empty folder of mode 0755 owned by root
	// on the pool. As with AddImage it is all or nothing, and fill isn't called for a volume that is
	// there: ErrExists. v.Held tells how much of what was written counts towards the size.
	Fill(ctx context.Context, v Volume, fill func(dir string) error) error
}

// Running is what containers that run need of a pool.
type Running interface {
	// Ready makes Path usable before a container starts from it, and says why it can't. A volume
	// that is ready is left as it is. ErrNotFound without the volume.
	Ready(ctx context.Context, id string) error
	// SnapshotPause estimates how long a container that runs would stand still for a snapshot or a
	// clone of its volume as it is now; 0: nobody would notice.
	SnapshotPause(ctx context.Context, id string) (time.Duration, error)
}

// Snapshots are volumes at one instant.
type Snapshots interface {
	// Snapshot keeps the volume as it is now, also while the container runs: all files at one
	// instant, with what was written to them whether synced or not.
	Snapshot(ctx context.Context, id, name string) error
	// RestoreSnapshot makes the volume what it was at the snapshot, keeping its size; the snapshot
	// and all others stay. What was written since is lost. The volume must not be in use: the
	// container has to be stopped. The swap is atomic: after a crash the volume is the old one or
	// the new one. A volume that is gone is made again, without a bound if that is lost too. The
	// room of what was lost comes back in the background, as after Delete.
	RestoreSnapshot(ctx context.Context, id, name string) error
	// DeleteSnapshot removes one snapshot.
	DeleteSnapshot(ctx context.Context, id, name string) error
}

// Images are what volumes are made from.
type Images interface {
	// AddImage makes an image of what fill writes below dir, an empty folder of mode 0755 owned by
	// root on the pool. When fill fails, so does AddImage, with fill's error, and the image doesn't
	// exist. It exists, durable and read-only, when AddImage returns. fill isn't called for a
	// digest that is there: ErrExists.
	AddImage(ctx context.Context, digest string, fill func(dir string) error) error
	// HasImage tells whether the image is there.
	HasImage(ctx context.Context, digest string) (bool, error)
	// DeleteImage removes an image. Volumes made from it lose nothing.
	DeleteImage(ctx context.Context, digest string) error
}

// Paths are where the things are on the host. They are pure functions: that there is a path doesn't
// mean that there is a thing. A name that can't be gives a path that never exists.
type Paths interface {
	// Base is the folder all of the pool lies in.
	Base() string
	// Path is the root folder of a volume; it stays the same over restores.
	Path(id string) string
	// SnapshotPath is the root folder of a snapshot; read-only.
	SnapshotPath(id, name string) string
	// ImagePath is the root folder of an image; read-only.
	ImagePath(digest string) string
}

// Space is what the pool holds and what it has room for.
type Space interface {
	// Usage is what the volume holds beyond what it was made from, as the kernel has it now: data
	// that was written but not yet flushed (30 s) may be missing.
	Usage(ctx context.Context, id string) (inventory.Bytes, error)
	// Free measures the room and says what needs attention. Cheap: no walk.
	Free(ctx context.Context) (Room, error)
	// List names everything in the pool, sorted, to be compared with the database.
	List(ctx context.Context) (Listing, error)
}

// A Volume is a writable tree of files.
type Volume struct {
	ID   string          // of the container whose root file system it is, or its own
	Size inventory.Bytes // 0: no bound
	// Held is for Fill alone: how much of what is written is the container's own; the rest is what
	// it was once made from, which no size counts.
	Held inventory.Bytes
}

// Room is what a pool has room for.
type Room struct {
	Total inventory.Bytes // of the pool
	Free  inventory.Bytes // for file contents; the kernel needs some of it for itself

	// MetadataTotal and MetadataFree are about the pool's own bookkeeping, of which creating and
	// snapshotting need some. A pool can be out of it while Free is not zero.
	MetadataTotal, MetadataFree inventory.Bytes

	// Unallocated is what the pool has set aside neither for file contents nor for bookkeeping; 0 for
	// a pool that doesn't set room aside.
	Unallocated inventory.Bytes
	// DeviceErrors is how many reads and writes of its devices have failed or were corrupt.
	DeviceErrors uint64

	// HostFree is the room of the file system the pool's file lies on; 0 for a pool without a file.
	HostFree inventory.Bytes

	// Enforced tells whether sizes of volumes are bounds or only wishes.
	Enforced bool
	// OnRequest tells that a bound costs a file system of its own, so that volumes get one only
	// where somebody asked for a size, not for a default's sake.
	OnRequest bool
	// SnapshotsCounted tells whether data that only snapshots hold still counts for the volume.
	SnapshotsCounted bool

	// Warnings are sentences for the operator, most urgent first; none when all is well.
	Warnings []string
}

// A NamedRoom is that of one pool among others.
type NamedRoom struct {
	Pool string
	Room
}

// A Listing is what a pool holds.
type Listing struct {
	Volumes   []string // ids
	Snapshots []SnapshotName
	Images    []string // digests
}

// A SnapshotName names one snapshot of one volume. The volume itself need not exist.
type SnapshotName struct {
	Volume string
	Name   string
}
