// Package recovery keeps a copy of what the database knows beside the data it is about, and reads
// the copies when the database is lost.
//
// There is one file per container, container.yaml beside its LXC configuration, and one for what
// belongs to no container, host.yaml in the root. They are written a moment after an operation
// ended: a copy is whole (it is replaced by renaming) and synced, and at most that moment old. At
// its start the agent writes those that are older than the database, so a crash in between costs
// nothing unless the database is lost in the same moment.
//
// Not in the copies: operations, changes, events and sessions. The audit journal tells of them.
package recovery
