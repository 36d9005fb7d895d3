package api

import (
	"errors"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// FirstContainerUID is the lowest host uid a container may be given.
const FirstContainerUID = 1_000_000

// peer looks at who is at the other end of a Unix socket (unix(7), SO_PEERCRED: the credentials when
// it connected). Whoever comes out of a container is refused, even if the socket's folder was mounted
// into it.
func (a *API) peer(c net.Conn) (inventory.Peer, error) {
	cred, err := peerCredentials(c)
	if err != nil {
		return inventory.Peer{}, inventory.Errorf(inventory.ErrDenied,
			"it is not known who is calling: %v", err)
	}
	if cred.Uid >= FirstContainerUID && (a.InContainer == nil || a.InContainer(cred.Uid)) {
		return inventory.Peer{}, inventory.Errorf(inventory.ErrDenied,
			"a process of a container (host uid %d) may not use the agent's socket", cred.Uid)
	}
	if err := sameUserNamespace(int(cred.Pid)); err != nil {
		return inventory.Peer{}, err
	}
	name, member := a.member(cred)
	return inventory.Peer{UID: cred.Uid, Login: loginUID(int(cred.Pid)), Name: name, Member: member}, nil
}

// loginUID is the uid somebody signed in with before sudo or su made them another. The kernel keeps
// it (proc_pid_loginuid(5)), and only a process with CAP_AUDIT_CONTROL could have set another.
func loginUID(pid int) uint32 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/loginuid")
	uid, bad := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || bad != nil {
		return inventory.NoUID
	}
	return uint32(uid)
}

// peerCredentials asks the kernel.
func peerCredentials(c net.Conn) (*unix.Ucred, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("the connection is no Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) {
		cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, asked)
}

// sameUserNamespace refuses a process of another user namespace: a uid means nothing there
// (user_namespaces(7)). A process that has gone can't be looked at and is refused too.
func sameUserNamespace(pid int) error {
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return nil // a kernel without user namespaces has no other
	}
	theirs, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/user")
	if err != nil {
		return inventory.Errorf(inventory.ErrDenied,
			"the calling process %d can't be looked at; call again, and stay until it is answered", pid)
	}
	if own != theirs {
		return inventory.Errorf(inventory.ErrDenied,
			"a process in another user namespace may not use the agent's socket")
	}
	return nil
}

// member returns the name of a user and whether they are in the group. The group database is asked,
// not the process, so that taking somebody out of the group holds at once for new connections.
func (a *API) member(cred *unix.Ucred) (name string, member bool) {
	u, err := user.LookupId(strconv.FormatUint(uint64(cred.Uid), 10))
	if err != nil {
		return "", false
	}
	g, err := user.LookupGroup(orString(a.Group, "lodge"))
	if err != nil {
		return u.Username, false
	}
	ids, err := u.GroupIds()
	return u.Username, err == nil && slices.Contains(ids, g.Gid)
}
