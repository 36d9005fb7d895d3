package inventory

import "time"

// DefaultPool is the pool every agent has from its first start.
const DefaultPool = "default"

// A Pool is where root file systems live: one row for each pool of a host. What is in it, the pool
// itself knows.
type Pool struct {
	Name   string // a DNS label
	HostID HostID
	Driver string // "btrfs" or "dir"
	// Source is the folder the pool was given; empty for one below the agent's own root.
	Source string
	// Size is what was asked for the pool's file when it was made; 0 for a choice of the driver's,
	// and for pools without a file.
	Size Bytes
	// Default says that new containers come here unless they say where; of one pool of a host.
	Default   bool
	CreatedAt time.Time

	// ScrubbedAt is when everything in the pool was last read and compared with its checksums; zero
	// for never. ScrubErrors is what that found and could not repair.
	ScrubbedAt  time.Time
	ScrubErrors int64
}

// PoolArgs are the parameters of pool.create.
type PoolArgs struct {
	Name   string `json:"name" doc:"A DNS label."`
	Driver string `json:"driver,omitempty" doc:"btrfs or dir; btrfs when empty."`
	Source string `json:"source,omitempty" doc:"An absolute path of an empty folder for it; below the agent's root when empty."`
	Size   string `json:"size,omitempty" doc:"Size of the pool's file, for btrfs without a source."`
}

// PoolRef names one pool: the parameters of pool.delete, pool.set-default and pool.scrub.
type PoolRef struct {
	Name string `json:"name,omitempty" readOnly:"true" doc:"From the path."`
}

// MoveArgs are the parameters of container.move.
type MoveArgs struct {
	Pool          string `json:"pool" doc:"The pool it is moved to."`
	DropSnapshots bool   `json:"drop_snapshots,omitempty" doc:"Snapshots can't move; without this, a container that has some stays."`
}
