// Package sudo lets accounts of containers become root there for a while.
//
// A grant is a row with its end, and a file in the container's /etc/sudoers.d that the container's own
// visudo has accepted before sudo reads it. The row is durable before the file is there, and sudo
// itself lets the file go at its end (see inventory.SudoGrant.Sudoers), so nothing that fails or dies
// makes a grant last longer.
//
// Grants are ended by deadlines of the principal "sudo", which pass the gate like a person's: at the end,
// or when the holder may not go into the container any more. Look compares rows and deadlines and
// may be called at any time. Sweep, before each start, removes what no row asks for: a file from a
// snapshot, a clone, an archive, or of a grant that ended while its container could not be reached.
//
// Files are reached below the root file system as the host has it, whatever the container does: the
// kernel resolves the path beneath it, through no link and no mount (openat2(2)), and no process of the
// container has a part in it. What its root does to the file is its own affair: it is root already.
package sudo
