// Package storage is the contract between those who need root file systems and those who keep
// them. It holds no implementation: manager/storage/btrfs is one, and every implementation passes
// the same suite, storagetest.Run.
//
// A pool knows three kinds of things. An image is a root file system nobody writes to, named by its
// digest. A volume is a writable tree of files with a size of its own, named by an id. Either it is the
// root file system of one container, made from an image and named by the container's id, so a renamed
// container keeps it; or it is made empty, named by an id of its own, and outlives the containers it is
// given to. The pool treats both alike. A snapshot is a volume at one instant, read-only, named by a
// DNS label within its volume.
//
// # What every method guarantees
//
// All or nothing. A method that returns an error leaves nothing behind that a later call would meet,
// unless its comment says otherwise.
//
// Crashes. After a crash of the agent or of the machine at any instant, the next Open of the pool
// finds each thing whole or absent, never half made: it removes what was being made and finishes
// what was past its commit point. What a method reported as done survives a power failure, deletion
// aside: a deleted thing may come back, where List shows it and Delete is called again.
//
// Repeating. Deleting what is not there is no error. Making what is there is ErrExists, and since
// nothing is ever half made, a step that is run again after a crash may take ErrExists as done.
//
// Concurrency. Every method may be called from many goroutines. Calls on the same volume wait for
// each other; calls on different volumes don't.
//
// Contexts. A cancelled context is noticed before the work starts and between its parts, and the
// call then undoes its work and returns the context's error. A single system call isn't interrupted.
//
// Names. Ids, digests and snapshot names are checked before they become part of a path: ErrInvalid.
//
// Errors carry a kind of package inventory and one sentence for a person:
//
//	ErrInvalid      an id, digest, name or size that can't be
//	ErrNotFound     the image, volume or snapshot is not there
//	ErrExists       it is there already
//	ErrQuota        no room in the pool, or a size below what is in use
//	ErrBusy         the kernel says it is in use
//	ErrState        the pool's place is taken by something that is not this pool
//	ErrUnavailable  the pool can't work: read-only after an error, device gone, tools missing
//
// Reading and writing below Path and inside AddImage's fill happens with ordinary file calls and
// gives their errors; a full volume is EDQUOT or ENOSPC there.
//
// # Sizes
//
// The size of a volume bounds what it holds beyond what it was made from: data shared with its
// image, or with the volume it is a clone of, isn't counted, and Usage measures the same. So sizes
// of volumes and the sizes of images add up to what a pool needs. Whether data that only snapshots
// still hold is counted too depends on the pool; Room.SnapshotsCounted says so.
package storage
