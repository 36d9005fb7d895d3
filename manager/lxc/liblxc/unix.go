package liblxc

// #include "unix.h"
import "C"

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/unprivileged"
)

// UnixReply comes with the socket.
type UnixReply struct {
	Path  string `json:"path,omitempty"` // where it was made
	Inode uint64 `json:"inode,omitempty"`
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// Unix opens one Unix socket inside a container as one of its accounts, and sends it over its standard
// output, which is a Unix socket too: ARGS are the operation, ACCOUNT, PATH and, for remove, the file's
// inode. Descriptor 3 is init's pidfd. Operations:
//
//	connect  to PATH
//	listen   on PATH, where nothing may be yet; the file is the account's alone
//	agent    listen in a new folder of the account's own below /tmp, as sshd(8) does for ssh-agent(1)
//	remove   the file listen made, if it is still that one; with an inode of an agent its folder, too
//
// Paths are looked up by the container's kernel view, with the account's permissions: no link leads to
// the host.
func Unix(args []string) int {
	file := os.NewFile(1, "stdout")
	conn, err := net.FileConn(file)
	out, ok := conn.(*net.UnixConn)
	if err != nil || !ok || len(args) < 3 || C.lodge_unix.ready == 0 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc unix connect|listen|agent|remove ACCOUNT PATH [INODE] 3<PIDFD")
		return 2
	}
	reply, f, err := openUnix(args)
	if err != nil {
		kind, _ := inventory.Kind(err)
		reply = UnixReply{Error: err.Error(), Kind: cmp.Or(kind.Name, "unavailable")}
	}
	var files []*os.File
	if f != nil {
		files = append(files, f)
	}
	if unprivileged.Send(out, reply, files) != nil || err != nil {
		return 1
	}
	return 0
}

func openUnix(args []string) (reply UnixReply, f *os.File, err error) {
	if text := C.GoString(&C.lodge_unix.error[0]); text != "" {
		return reply, nil, inventory.Errorf(inventory.ErrUnavailable, "%s", text)
	}
	path := args[2]
	if !strings.HasPrefix(path, "/") { // sshd(8) stands in /; and "@name" would be in no folder at all
		path = "/" + path
	}
	switch args[0] {
	case "connect":
		f, err = connectUnix(path)
	case "listen":
		f, reply.Inode, err = listenUnix(path)
	case "agent":
		path, f, reply.Inode, err = listenAgent(path)
	case "remove":
		err = removeUnix(path, args[3:])
	default:
		err = inventory.Errorf(inventory.ErrInvalid, "there is no operation %q", args[0])
	}
	if _, known := inventory.Kind(err); err != nil && !known {
		err = inventory.Errorf(inventory.ErrUnavailable, "%s %s: connect: %w", args[0], path, err)
	}
	reply.Path = path
	return reply, f, err
}

func newUnix(path string, use func(fd int, at unix.Sockaddr) error) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := use(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// connectUnix never waits: where too many wait already it is an error (EAGAIN).
func connectUnix(path string) (*os.File, error) { return newUnix(path, unix.Connect) }

// unixBacklog is sshd's (SSH_LISTEN_BACKLOG).
const unixBacklog = 128

func listenUnix(path string) (f *os.File, inode uint64, err error) {
	f, err = newUnix(path, func(fd int, at unix.Sockaddr) error {
		if err := unix.Bind(fd, at); err != nil { // with the umask of 0177
			return err
		}
		return unix.Listen(fd, unixBacklog)
	})
	if err != nil {
		return nil, 0, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Ino, nil
}

// agentFolder begins the name of the folder of an agent's socket, as sshd has it.
const agentFolder = "ssh-"

func listenAgent(below string) (path string, f *os.File, inode uint64, err error) {
	folder := filepath.Join(below, agentFolder+rand.Text()[:12])
	old := unix.Umask(0o077)
	err = unix.Mkdir(folder, 0o700) // fails over anything there, a link too
	unix.Umask(old)
	if err != nil {
		return "", nil, 0, err
	}
	path = filepath.Join(folder, "agent.1")
	if f, inode, err = listenUnix(path); err != nil {
		unix.Rmdir(folder)
	}
	return path, f, inode, err
}

// removeUnix leaves what somebody has put in its place.
func removeUnix(path string, inode []string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err == unix.ENOENT {
		return nil
	} else if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || len(inode) == 0 || inode[0] != strconv.FormatUint(st.Ino, 10) {
		return nil
	}
	if err := unix.Unlink(path); err != nil {
		return err
	}
	if folder := filepath.Dir(path); strings.HasPrefix(filepath.Base(folder), agentFolder) && filepath.Dir(folder) == "/tmp" {
		unix.Rmdir(folder) // not empty: the account's own files are in it
	}
	return nil
}
