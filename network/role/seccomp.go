package role

import (
	"golang.org/x/sys/unix"

	"lodge/manager/unprivileged"
)

// filter lets a name server work: it serves sockets it was given and dials upstreams over IP. No
// file is opened, nothing executed, traced, mounted or bound; no netlink, packet or unix socket.
var filter = unprivileged.Filter{Calls: []uint32{unix.SYS_CONNECT},
	Families: []uint32{unix.AF_INET, unix.AF_INET6}}
