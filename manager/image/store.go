package image

import (
	"context"

	"lodge/inventory"
)

// A Store keeps the rows of images. Every method is one transaction, durable when it returns.
type Store interface {
	// SaveImage inserts the image, or replaces the row of the same digest. Aliases of the noun are
	// ignored here: SetAlias alone moves them.
	SaveImage(ctx context.Context, m inventory.Image) error
	// Image finds one by alias or by digest ("sha256:" and 64 hex digits), its aliases filled in;
	// ErrNotFound if there is none.
	Image(ctx context.Context, ref string) (inventory.Image, error)
	// Images returns all of them, newest first.
	Images(ctx context.Context) ([]inventory.Image, error)
	Removal
}

// Removal is the part of Store that takes names and rows away or moves them.
type Removal interface {
	// DeleteImage removes the row and its aliases; a missing row is no error.
	DeleteImage(ctx context.Context, digest string) error
	// SetAlias makes alias name the image of digest, taking it from another image if need be; an
	// empty digest takes the alias away. ErrNotFound if the digest has no row.
	SetAlias(ctx context.Context, alias, digest string) error
}

// Pool is what this package needs of the storage pool; see manager/storage.
type Pool interface {
	// AddImage makes the image's root file system: fill gets an empty directory, and what it left
	// there becomes visible under digest only if it returned nil. An image that is there already
	// is kept and fill is not called.
	AddImage(ctx context.Context, digest string, fill func(dir string) error) error
	// DeleteImage is idempotent: a missing image is no error.
	DeleteImage(ctx context.Context, digest string) error
	// Path, SnapshotPath and ImagePath are storage.Paths', on whichever pool the thing is.
	Path(id string) string
	SnapshotPath(id, name string) string
	ImagePath(digest string) string
}

// snapshots finds those of containers.
type snapshots interface {
	Snapshot(ctx context.Context, id inventory.ContainerID, name string) (inventory.Snapshot, error)
}

// remotes keeps the servers that images are pulled from.
type remotes interface {
	SaveRemote(ctx context.Context, m inventory.Remote) error
	// Remote is ErrNotFound if there is none of that name.
	Remote(ctx context.Context, name string) (inventory.Remote, error)
	Remotes(ctx context.Context) ([]inventory.Remote, error)
	// DeleteRemote is idempotent.
	DeleteRemote(ctx context.Context, name string) error
}
