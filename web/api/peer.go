package api

import (
	"errors"
	"fmt"
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

// peer names who is at the other end of a Unix socket (unix(7), SO_PEERCRED: the credentials when
// it connected). Root is admin, and so is a member of the group until roles say more. Whoever
// comes out of a container is refused, even if the socket's folder was mounted into it.
func (a *API) peer(c net.Conn) (inventory.Principal, error) {
	cred, err := peerCredentials(c)
	if err != nil {
		return inventory.Principal{}, inventory.Errorf(inventory.ErrDenied,
			"it is not known who is calling: %v", err)
	}
	if cred.Uid >= FirstContainerUID && (a.InContainer == nil || a.InContainer(cred.Uid)) {
		return inventory.Principal{}, inventory.Errorf(inventory.ErrDenied,
			"a process of a container (host uid %d) may not use the agent's socket", cred.Uid)
	}
	if err := sameUserNamespace(int(cred.Pid)); err != nil {
		return inventory.Principal{}, err
	}
	p := inventory.Principal{Kind: inventory.KindPerson, Admin: true, From: "unix",
		Proof: fmt.Sprintf("peer uid %d", cred.Uid)}
	if cred.Uid == 0 {
		p.Name = "root"
		return p, nil
	}
	p.Name, err = a.member(cred)
	return p, err
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

// member returns the name of a user who is in the group. The group database is asked, not the
// process, so that taking somebody out of the group holds at once for new connections.
func (a *API) member(cred *unix.Ucred) (string, error) {
	group := a.Group
	if group == "" {
		group = "lodge"
	}
	uid := strconv.FormatUint(uint64(cred.Uid), 10)
	refused := inventory.Errorf(inventory.ErrDenied,
		"uid %s may not use the agent; 'sudo usermod -aG %s USER' lets a user in, who then signs in again", uid, group)
	u, err := user.LookupId(uid)
	if err != nil {
		return "", refused
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return "", inventory.Errorf(inventory.ErrDenied,
			"%s may not use the agent: there is no group %s yet; 'sudo groupadd --system %s' makes it", u.Username, group, group)
	}
	ids, err := u.GroupIds()
	if err != nil || !slices.Contains(ids, g.Gid) {
		return "", inventory.Errorf(inventory.ErrDenied,
			"%s may not use the agent; 'sudo usermod -aG %s %s' lets them in, after they sign in again", u.Username, group, u.Username)
	}
	return u.Username, nil
}
