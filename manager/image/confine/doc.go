// Package confine runs the agent's own program, or a tool, as a child that can harm nothing: in a
// user namespace of its own whose ids stand for otherwise unused host ids, so that it is nobody on
// the host, and in PID, mount, IPC and UTS namespaces that die with it.
//
// The child gets one directory of the host, as file descriptor 3. The directory is handed over as
// an id-mapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP): what the child writes as uid 0 of its
// namespace lies on disk as uid 0, the id a container sees, although the child has no right over
// host root's files anywhere else. Nothing is ever chowned afterwards.
//
// [Run] is the agent's side; [Seal] and [Attach] are the child's.
package confine
