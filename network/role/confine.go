package role

import "lodge/manager/unprivileged"

// files bounds the open files: sockets of a thousand bridges and as many questions under way.
const files = 4096

// confine gives up every privilege for good; see unprivileged.Confine.
func confine(uid, gid int) (filtered bool, err error) {
	return unprivileged.Confine(unprivileged.Bounds{UID: uid, GID: gid, Files: files, Threads: 256}, filter)
}
